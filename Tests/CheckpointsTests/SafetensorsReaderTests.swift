import Checkpoints
import Checksums
import Foundation
import TensorCore
import Testing

/// The bytes of a safetensors file: length, header, data.
func safetensors(_ header: String, _ data: [UInt8] = []) -> [UInt8] {
    withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + Array(header.utf8) + data
}

/// Files as other programs write them, byte by byte.
struct SafetensorsReaderTests {
    let folder = TemporaryFolder()

    func open(_ bytes: [UInt8]) throws -> SafetensorsReader {
        let path = folder.file("file.safetensors")
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return try SafetensorsReader(path: path)
    }

    /// The complaint about a file; nil when it opens.
    func complaint(_ bytes: [UInt8]) throws -> String? {
        do {
            _ = try open(bytes)
            return nil
        } catch let error as WeightFileError {
            #expect(error.exitCode == 65 && !"\(error)".contains("\n"))
            return "\(error)"
        }
    }

    /// The example of the format's own description, every byte written by hand.
    @Test func readsAFileWrittenByHand() throws {
        let bytes: [UInt8] =
            [0x58, 0, 0, 0, 0, 0, 0, 0]
            + Array("{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]}} ".utf8)
            + [0x00, 0x00, 0x80, 0x3F, 0x00, 0x00, 0x00, 0xC0]
        #expect(bytes.count == 8 + 0x58 + 8)
        let reader = try open(bytes)
        #expect(reader.metadata == ["format": "pt"])
        #expect(reader.entries == [WeightEntry(name: "a", shape: [2, 1], type: "F32")])
        #expect(try reader.floats("a") == [1, -2])
    }

    @Test func everyHalfIsExact() throws {
        let halves = (0...UInt16.max).flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
        let reader = try open(safetensors("{\"h\":{\"dtype\":\"F16\",\"shape\":[65536],\"data_offsets\":[0,131072]}}", halves))
        let values = try reader.floats("h")
        for (half, value) in zip(0...UInt16.max, values) {
            let reference = Float16(bitPattern: half)
            if reference.isNaN {
                // The machine's own conversion quiets signalling NaNs; ours keeps them.
                let expected: UInt32 = UInt32(half & 0x8000) << 16 | 0x7F80_0000 | UInt32(half & 0x3FF) << 13
                #expect(value.bitPattern == expected, "half \(half)")
            } else {
                #expect(value.bitPattern == Float(reference).bitPattern, "half \(half)")
            }
        }
    }

    @Test func otherFloatsAreConverted() throws {
        let header = """
            {"b":{"dtype":"BF16","shape":[2],"data_offsets":[16,20]},"d":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},\
            "i":{"dtype":"I64","shape":[],"data_offsets":[20,28]},"e":{"dtype":"F32","shape":[3,0],"data_offsets":[20,20]}}
            """
        let doubles = [0.1, 1e300].flatMap { withUnsafeBytes(of: $0) { Array($0) } }
        let reader = try open(safetensors(header, doubles + [0x80, 0x3F, 0x81, 0xFF] + [7, 0, 0, 0, 0, 0, 0, 0]))
        #expect(try reader.floats("d") == [Float(0.1), .infinity])
        #expect(try bits(reader.floats("b")) == [0x3F80_0000, 0xFF81_0000])
        #expect(try reader.floats("e") == [])
        #expect(reader.entries.map(\.isFloat) == [true, true, true, false])
        #expect(reader.entries.map(\.name) == ["d", "b", "e", "i"])
        #expect(throws: WeightFileError.self) { try reader.floats("i") }
        #expect(throws: WeightFileError.self) { try reader.floats("absent") }
    }

    @Test func escapesAreUnderstood() throws {
        let header = #"{"a\"\\\/\u0041\ud83d\ude00\n":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"__metadata__":{"":"Größe\t"}}"#
        let reader = try open(safetensors(header, [0, 0, 0, 0x80]))
        #expect(reader.entries.map(\.name) == ["a\"\\/A😀\n"] && reader.metadata == ["": "Größe\t"])
        #expect(try bits(reader.floats("a\"\\/A😀\n")) == [0x8000_0000])
    }

    @Test func onePassReadsWhatIsWantedAndDigestsAll() throws {
        // More than a block of bytes that nobody wants.
        let header = """
            {"big":{"dtype":"U8","shape":[5000000],"data_offsets":[4,5000004]},"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},\
            "y":{"dtype":"F32","shape":[1],"data_offsets":[5000004,5000008]}}
            """
        let random = Philox(seed: 5, domain: "one pass")
        let bytes = safetensors(header, (0..<5_000_008).map { UInt8(truncatingIfNeeded: random.bits(draw: $0)) })
        let reader = try open(bytes)
        var seen: [String] = []
        var last = 0
        let digest = try reader.read(["x", "y"]) { last = $0 } visit: { entry, values in
            seen.append(entry.name)
            #expect(values.count == 1)
        }
        #expect(seen == ["x", "y"] && last == bytes.count && reader.byteCount == bytes.count)
        #expect(digest == bytes.withUnsafeBytes { SHA256.digest(of: $0) })
    }

    @Test(arguments: [
        ("", "8 bytes"), ("{", "ends where"), ("[]", "begin with '{'"), (" {}", "begin with '{'"), ("{}x", "no the end"), ("{\"a\":1}", "no '{'"),
        ("{\"a\":{}}", "lacks dtype"), ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", "lacks dtype"),
        ("{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", "unknown type F33"),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", "too many or too few"),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,4]}}", "too many or too few"),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", "lies at"),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", "lies at"),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", "lies at"),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", "whole number"),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", "whole number"),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[01],\"data_offsets\":[0,4]}}", "whole number"),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,4]}}", "63 bits"),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,4294967296],\"data_offsets\":[0,4]}}", "too many or too few"),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,4]}}", "shape twice"),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":[]}}", "unknown field x"),
        (
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"\\u0061\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
            "a twice"
        ),
        ("{\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]}}", "2 bytes at its end"),
        ("{\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[2,4]}}", "2 bytes before a"),
        (
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[2,4]}}",
            "b overlaps"
        ),
        ("{\"__metadata__\":{\"a\":1}}", "no '\"'"), ("{\"__metadata__\":{},\"__metadata__\":{}}", "__metadata__ twice"),
        ("{\"\\ud800\":{}}", "half a character"), ("{\"\\x\":{}}", "unknown escape"), ("{\"a", "within a text"), ("{\"a\n\":{}}", "control character"),
        ("{}", "4 bytes at its end"),
    ])
    func aBadHeaderIsNamed(header: String, part: String) throws {
        let text = try #require(try complaint(header.isEmpty ? [1, 2, 3] : safetensors(header, [0, 0, 0, 0])))
        #expect(header.isEmpty ? text.contains("it has 3 bytes") : text.contains(part), "\(text)")
        #expect(text.contains("file.safetensors") && text.contains("copy it again"))
    }

    @Test func lengthsBeyondTheFileAreRefused() throws {
        for length in [9, 100_000_001, UInt64.max, UInt64.max / 2 + 1] as [UInt64] {
            let bytes = withUnsafeBytes(of: length.littleEndian) { Array($0) } + Array("{}      ".utf8)
            #expect(try complaint(bytes)?.contains("claims a header of \(length) bytes") == true)
        }
        #expect(try complaint(safetensors("{}      ")) == nil, "an empty file of tensors is none the less one")
    }

    @Test func whatIsNoFileIsNamed() throws {
        #expect(throws: WeightFileError.self) { try SafetensorsReader(path: folder.file("absent")) }
        #expect(throws: WeightFileError.self) { try SafetensorsReader(path: folder.path) }
        #expect(throws: WeightFileError.self) { try SafetensorsReader(path: "/dev/zero") }
        let heads: [(String, [UInt8], String)] = [
            ("zip", [0x50, 0x4B, 3, 4, 0, 0, 0, 0], "pickle"), ("pkl", [0x80, 2, 0x8A, 0x0A], "pickle"), ("short", [1], "1 bytes"),
        ]
        for (name, bytes, part) in heads {
            try Data(bytes).write(to: URL(fileURLWithPath: folder.file(name)))
            #expect { try WeightFiles.open(folder.file(name)) } throws: { "\($0)".contains(part) && $0 is WeightFileError }
        }
        #expect(throws: WeightFileError.self) { try WeightFiles.open(folder.path) }
        #expect(throws: WeightFileError.self) { try WeightFiles.open(folder.file("absent")) }
    }

    @Test func namesAreFitForATerminal() {
        #expect(printable("a\u{1B}[31m\nb\u{202E}c\u{2028}") == "a?[31m?b?c?")
        #expect(printable(String(repeating: "x", count: 300)) == String(repeating: "x", count: 200) + "…")
    }
}

import Checkpoints
import Checksums
import Foundation
import TensorCore
import Testing

/// What is written can be read by everybody, bit for bit.
struct SafetensorsWriterTests {
    let folder = TemporaryFolder()

    private func write(_ arrays: [SafetensorsWriter.Array], _ metadata: [String: String] = [:]) throws -> String {
        try SafetensorsWriter.write(arrays, metadata: metadata, to: folder.file("out.safetensors"))
    }

    private func bytes() throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: folder.file("out.safetensors")))) }

    @Test func theBytesAreThoseOfTheFormat() throws {
        let digest = try write(
            [.init(name: "b", shape: [1, 2], values: [1, -2]), .init(name: "a", shape: [], values: [0.5])], ["format": "pt", "note": "\"\n\u{1}ö\\"])
        let tensors = ["a []": [0.5], "b [1, 2]": [1, -2]] as [String: [Float]]
        var content = "mergevq-safetensors 1\ntext format 2 pt\ntext note 6 \"\n\u{1}ö\\\n"
        for (name, values) in tensors.sorted(by: { $0.key < $1.key }) {
            let parts = name.split(separator: " ", maxSplits: 1)
            content += "tensor \(parts[0]) F32 \(parts[1]) \(values.withUnsafeBytes { SHA256.digest(of: $0) })\n"
        }
        var header =
            #"{"__metadata__":{"format":"pt","mvq_digest":""# + SHA256.digest(of: content) + #"","note":"\"\n\u0001ö\\"},"#
            + #""a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1,2],"data_offsets":[4,12]}}"#
        while header.utf8.count % 8 != 0 { header += " " }
        let expected = safetensors(header, [0, 0, 0, 0x3F, 0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0])
        #expect(try bytes() == expected)
        #expect(digest == expected.withUnsafeBytes { SHA256.digest(of: $0) })
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["out.safetensors"], "no temporary file stays")
    }

    @Test func everyBitComesBack() throws {
        let random = Philox(seed: 9, domain: "safetensors")
        // Signalling and quiet NaNs with payloads, infinities, zeros of both signs, subnormals, and any other pattern.
        let special: [UInt32] = [0x7F80_0001, 0xFF80_0001, 0x7FC1_2345, 0xFFFF_FFFF, 0x7F80_0000, 0xFF80_0000, 0, 0x8000_0000, 1, 0x8000_0001]
        let patterns = special + (0..<2000).map { UInt32(truncatingIfNeeded: random.bits(draw: $0)) }
        let values = patterns.map { Float(bitPattern: $0) }
        let arrays: [SafetensorsWriter.Array] = [
            .init(name: "all", shape: [2, 1005], values: values), .init(name: "none", shape: [0, 3], values: []),
            .init(name: "one", shape: [1, 1, 1], values: [Float(bitPattern: 0x7F80_0001)]),
        ]
        _ = try write(arrays.reversed(), ["mvq_config": "seed: 1\nmodel:\n"])
        let reader = try SafetensorsReader(path: folder.file("out.safetensors"))
        #expect(reader.metadata["mvq_config"] == "seed: 1\nmodel:\n")
        var seen: [String] = []
        _ = try reader.read(["all", "none", "one"]) { _ in } visit: { entry, values in
            let array = try #require(arrays.first { $0.name == entry.name })
            #expect(entry.shape == array.shape && bits(values) == bits(array.values), "\(entry.name)")
            seen.append(entry.name)
        }
        #expect(seen == ["all", "none", "one"])
        let first = try bytes()
        _ = try write(arrays, ["mvq_config": "seed: 1\nmodel:\n"])
        #expect(try bytes() == first, "equal content gives equal bytes, whatever the order")
    }

    @Test func aFailureLeavesTheOldFile() throws {
        _ = try write([.init(name: "a", shape: [1], values: [1])])
        let before = try bytes()
        // A folder where the temporary file would go.
        try FileManager.default.createDirectory(atPath: folder.file(".out.safetensors.tmp"), withIntermediateDirectories: true)
        #expect(throws: FileError.self) { try write([.init(name: "a", shape: [1], values: [2])]) }
        #expect(try bytes() == before)
        #expect(throws: FileError.self) { try SafetensorsWriter.write([], metadata: [:], to: folder.file("no/such/out.safetensors")) }
    }
}

import Checkpoints
import Foundation
import TensorCore
import Testing

/// Changes a file at random: bits, bytes, digits, cuts, insertions, and pieces copied over others.
struct Mutation {
    let random = Philox(seed: 77, domain: "safetensors mutations")

    /// - Parameter focus: how many leading bytes get most of the changes.
    func callAsFunction(_ intact: [UInt8], trial: Int, focus: Int) -> [UInt8] {
        var bytes = intact
        let changes = 1 + random.integer(below: 3, sample: trial, draw: 0)
        for change in 0..<changes {
            func draw(_ below: Int, _ number: Int) -> Int { random.integer(below: max(below, 1), sample: trial, draw: 1 + change * 8 + number) }
            let place = draw(draw(4, 0) == 0 ? bytes.count : min(focus, bytes.count), 1)
            guard place < bytes.count else { continue }
            switch draw(7, 2) {
            case 0: bytes[place] ^= 1 << UInt8(draw(8, 3))
            case 1: bytes[place] = UInt8(draw(256, 3))
            case 2: bytes[place] = UInt8(ascii: "0") + UInt8(draw(10, 3))
            case 3: bytes.removeLast(bytes.count - place)
            case 4: bytes.insert(contentsOf: (0..<(1 + draw(9, 3))).map { UInt8(draw(256, 4 + $0 % 4)) }, at: place)
            case 5: bytes.removeSubrange(place..<min(bytes.count, place + 1 + draw(9, 3)))
            default:
                let from = draw(bytes.count, 3)
                let length = min(1 + draw(24, 4), bytes.count - from, bytes.count - place)
                bytes.replaceSubrange(place..<(place + length), with: Array(bytes[from..<(from + length)]))
            }
        }
        return bytes
    }
}

/// Hostile and damaged files end in a typed error of one line, or hold what they say.
struct SafetensorsDamageTests {
    let folder = TemporaryFolder()
    let intact: [UInt8]
    let arrays: [SafetensorsWriter.Array]

    init() throws {
        let random = Philox(seed: 3, domain: "damage")
        arrays = [("encoder.a.weight", [4, 3, 3, 3]), ("encoder.a.bias", [4]), ("z", []), ("none", [0])].map { name, shape in
            let count = shape.reduce(1, *)
            return .init(name: name, shape: shape, values: (0..<count).map { Float(random.uniform(sample: count, draw: $0)) })
        }
        let path = folder.file("intact.safetensors")
        _ = try SafetensorsWriter.write(arrays, metadata: ["format": "pt", "mvq_config": "seed: 1\n"], to: path)
        intact = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    private struct Content: Equatable {
        var metadata: [String: String] = [:]
        var entries: [WeightEntry] = []
        var values: [[UInt32]] = []
    }

    /// What a file holds, or the error of one line that it ends in.
    private func content(_ bytes: [UInt8]) throws -> Content? {
        let path = folder.file("mutated.safetensors")
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        do {
            let reader = try WeightFiles.open(path)
            var content = Content(metadata: reader.metadata, entries: reader.entries)
            _ = try reader.read(Set(reader.entries.filter(\.isFloat).map(\.name))) { _ in } visit: { entry, values in
                #expect(values.count == entry.shape.reduce(1, *))
                content.values.append(bits(values))
            }
            return content
        } catch let error as WeightFileError {
            let text = "\(error)"
            #expect(text.hasPrefix(path) && text.utf8.count < 1000 && !text.unicodeScalars.contains { $0.value < 0x20 }, "\(text)")
            return nil
        }
    }

    /// A digest covers our own files: nothing that changed is taken for the old content.
    @Test func noChangeOfOurFilesPasses() throws {
        let original = try #require(try content(intact))
        #expect(original.entries.count == 4 && original.values.count == 4)
        let mutate = Mutation()
        var refused = 0
        for trial in 0..<1500 {
            let bytes = mutate(intact, trial: trial, focus: intact.count - 4 * 113)
            guard let found = try content(bytes) else {
                refused += 1
                continue
            }
            // Without its digest a file is one of somebody else's.
            if found.metadata["mvq_digest"] != nil { #expect(found == original, "trial \(trial)") }
        }
        #expect(refused > 1000, "\(refused) of 1500")
    }

    /// Files of others: whatever opens is consistent in itself, and its arrays have the bytes their shapes ask for.
    @Test func noChangeOfAForeignFileIsRefusedByACrash() throws {
        let foreign = safetensors(
            """
            {"__metadata__":{"format":"pt"},"features.0.bias":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},\
            "features.0.weight":{"dtype":"F16","shape":[4,1,2,1],"data_offsets":[16,32]},"n":{"dtype":"I64","shape":[],"data_offsets":[32,40]}}
            """, (0..<40).map { UInt8($0) })
        let original = try #require(try content(foreign))
        let mutate = Mutation()
        var (opened, refused) = (0, 0)
        for trial in 0..<1500 {
            guard let found = try content(mutate(foreign, trial: trial, focus: foreign.count - 40)) else {
                refused += 1
                continue
            }
            opened += 1
            let sizes = ["F16": 2, "BF16": 2, "I16": 2, "U16": 2, "F32": 4, "I32": 4, "U32": 4, "I64": 8, "F64": 8, "U64": 8, "C64": 8]
            let bytes = found.entries.map { $0.shape.reduce(1, *) * (sizes[$0.type] ?? 1) }.reduce(0, +)
            let counts = found.entries.filter(\.isFloat).map { $0.shape.reduce(1, *) }
            #expect(counts == found.values.map(\.count) && bytes <= foreign.count + 30, "trial \(trial)")
        }
        #expect(opened > 20 && refused > 1000, "\(opened) opened, \(refused) refused")
        #expect(original.entries.map(\.name) == ["features.0.bias", "features.0.weight", "n"])
    }

    @Test func everyTruncationIsNoticed() throws {
        for length in 0..<intact.count { #expect(try content(Array(intact.prefix(length))) == nil, "cut to \(length) bytes") }
        #expect(try content(intact + [0]) == nil, "one byte too many")
    }
}

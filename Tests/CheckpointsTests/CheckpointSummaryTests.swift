import Checkpoints
import Foundation
import Testing

struct CheckpointSummaryTests {
    let folder = TemporaryFolder()

    func published() throws -> (String, CheckpointSummary) {
        let checkpoint = Checkpoint(
            step: 12, attributes: ["seed": 42, "config": "a: 1\nb: 2\n", "loss": .double(.nan)],
            arrays: [
                CheckpointArray(path: "/model/encoder.down.0.weight", shape: [2, 3], values: [1, 2, 3, 4, 5, 6]),
                CheckpointArray(path: "/model/encoder.down.0.bias", shape: [2], values: [.nan, .infinity]),
                CheckpointArray(path: "/model/decoder.scale", shape: [], values: [-2]),
                CheckpointArray(path: "/ema/decoder.scale", shape: [], values: [7]),
            ])
        let file = try CheckpointStore(directory: folder.path).publish(checkpoint).file
        return (file, try CheckpointSummary(path: file))
    }

    @Test func countsAndMeasures() throws {
        let (file, summary) = try published()
        #expect(summary.step == 12 && summary.integrity == .verified && summary.damage == nil)
        #expect(summary.groups.map { "\($0.name) \($0.tensors) \($0.parameters) \($0.bytes)" } == ["ema 1 1 4", "model 3 9 36"])
        #expect(summary.modules.map { "\($0.name) \($0.parameters)" } == ["decoder 1", "encoder.down 8"])
        let weight = try #require(summary.tensors.first { $0.path == "/model/encoder.down.0.weight" })
        #expect(weight.mean == 3.5 && weight.minimum == 1 && weight.maximum == 6 && weight.nonFinite == 0)
        #expect(abs((weight.standardDeviation ?? 0) - (35.0 / 12).squareRoot()) < 1e-12)
        let bias = try #require(summary.tensors.first { $0.path == "/model/encoder.down.0.bias" })
        #expect(bias.mean == nil && bias.nonFinite == 2)
        let text = summary.text
        for part in [file, "verified", "[2, 3]", "encoder.down", "(2 lines, 10 bytes", "seed", "1.708"] {
            #expect(text.contains(part), "\(part) in \(text)")
        }
        let json = try JSONSerialization.jsonObject(with: Data(try summary.json().utf8)) as? [String: Any]
        #expect((json?["tensors"] as? [Any])?.count == 4)
        #expect(((json?["state"] as? [String: Any])?["config"] as? String) == "a: 1\nb: 2\n")
        #expect((json?["integrity"] as? String) == "verified")
    }

    @Test func saysWhatIsWrong() throws {
        let (file, _) = try published()
        let manifest = String(file.dropLast(3)) + ".json"
        let moved = folder.file("moved.json")
        try FileManager.default.moveItem(atPath: manifest, toPath: moved)
        #expect(try CheckpointSummary(path: file).integrity == .manifestAbsent)
        try FileManager.default.moveItem(atPath: moved, toPath: manifest)

        var bytes = try Data(contentsOf: URL(fileURLWithPath: file))
        let weight: [Float] = [1, 2, 3, 4, 5, 6]
        let position = try #require(bytes.range(of: weight.withUnsafeBytes { Data($0) }))
        bytes[position.lowerBound] ^= 1
        try bytes.write(to: URL(fileURLWithPath: file))
        let damaged = try CheckpointSummary(path: file)
        #expect(damaged.integrity == .damaged && damaged.step == 12)
        #expect(damaged.damage?.contains("its SHA-256 is not that of the manifest") == true, "\(damaged.damage ?? "")")
        #expect(damaged.text.contains("DAMAGED"))
        #expect(throws: CheckpointError.self) { try CheckpointSummary(path: folder.file("absent.h5")) }
    }
}

import Checkpoints
import Checksums
import Foundation
import Testing

/// HDF5 files as sources of weights, and checkpoints as single files.
struct HDF5WeightFileTests {
    let folder = TemporaryFolder()

    @Test func namesAreDottedPaths() throws {
        let path = folder.file("weights.h5")
        let writer = try HDF5Writer(creating: path)
        for (name, values) in [("/encoder/conv_in/weight", [1, 2]), ("/model/encoder.norm", [3, 4]), ("/ema/encoder.norm", [5, 6])] as [(String, [Float])] {
            try values.withUnsafeBufferPointer { try writer.write(name, shape: [2, 1], values: $0) }
        }
        try writer.close()
        let file = try WeightFiles.open(path)
        #expect(file.entries.map(\.name) == ["ema.encoder.norm", "encoder.conv_in.weight", "encoder.norm"])
        #expect(file.entries.allSatisfy { $0.shape == [2, 1] && $0.type == "F32" } && file.metadata == [:])
        var values: [String: [Float]] = [:]
        let digest = try file.read(["encoder.conv_in.weight", "ema.encoder.norm"]) { _ in } visit: { values[$0.name] = $1 }
        #expect(values == ["encoder.conv_in.weight": [1, 2], "ema.encoder.norm": [5, 6]])
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        #expect(digest == bytes.withUnsafeBytes { SHA256.digest(of: $0) })
    }

    @Test func twoArraysOfOneNameAreRefused() throws {
        let path = folder.file("twice.h5")
        let writer = try HDF5Writer(creating: path)
        for name in ["/a/b", "/model/a.b"] { try [1].withUnsafeBufferPointer { try writer.write(name, shape: [1], values: $0) } }
        try writer.close()
        #expect { try WeightFiles.open(path) } throws: { "\($0)".contains("two arrays named a.b") }
    }

    @Test(.enabled(if: Machine.hasH5py, "no Python with h5py"))
    func typesOfH5pyAreTold() throws {
        let path = folder.file("h5py.h5")
        let script = """
            import h5py, numpy as np, sys
            f = h5py.File(sys.argv[1], "w")
            f["a/half"] = np.array([1.5, -2], np.float16); f["a/double"] = np.array([0.1]); f["n"] = np.int64(3); f["s"] = "text"
            """
        #expect(try Machine.runPython(script, [path]).status == 0)
        let file = try WeightFiles.open(path)
        #expect(file.entries.map { "\($0.name) \($0.type)" } == ["a.double F64", "a.half F16", "n I64", "s other"])
        var values: [String: [Float]] = [:]
        _ = try file.read(["a.half", "a.double"]) { _ in } visit: { values[$0.name] = $1 }
        #expect(values == ["a.half": [1.5, -2], "a.double": [Float(0.1)]])
    }

    @Test func aCheckpointIsWrittenAsOneFile() throws {
        let path = folder.file("single.h5")
        let checkpoint = Checkpoint(
            step: 4, attributes: ["kind": "vgg16", "config": "seed: 1\n"],
            arrays: [CheckpointArray(path: "/model/w", shape: [2], values: [1, Float(bitPattern: 0x7F80_0001)])])
        for _ in 0..<2 { try checkpoint.write(to: path) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["single.h5"])
        let loaded = try CheckpointStore.load(path: path)
        #expect(loaded.manifest == .absent && loaded.checkpoint.contentSHA256 == checkpoint.contentSHA256)
        #expect(bits(loaded.checkpoint["/model/w"]?.values ?? []) == [0x3F80_0000, 0x7F80_0001])
        #expect(try WeightFiles.open(path).metadata == ["mvq_step": "4", "mvq_config": "seed: 1\n"])
        #expect(throws: CheckpointError.self) { try checkpoint.write(to: folder.file("no/such.h5")) }
    }
}

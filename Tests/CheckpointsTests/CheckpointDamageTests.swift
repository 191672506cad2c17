import Checkpoints
import Foundation
import TensorCore
import Testing

/// Nothing that happened to the bytes of a checkpoint may pass unnoticed.
struct CheckpointDamageTests {
    let folder = TemporaryFolder()
    let store: CheckpointStore
    let original: Checkpoint
    let file: String
    let manifest: String
    let fileBytes: [UInt8]
    let manifestBytes: [UInt8]

    init() throws {
        store = CheckpointStore(directory: folder.file("run"))
        original = sampleCheckpoint(step: 3)
        file = try store.publish(original).file
        manifest = String(file.dropLast(3)) + ".json"
        fileBytes = Array(try Data(contentsOf: URL(fileURLWithPath: file)))
        manifestBytes = Array(try Data(contentsOf: URL(fileURLWithPath: manifest)))
    }

    func put(_ bytes: some Sequence<UInt8>, _ path: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    /// The error of loading step 3; nil when it loads.
    func loadError() -> (any Error)? {
        do {
            _ = try store.load(step: 3)
            return nil
        } catch {
            return error
        }
    }

    func expectTypedError(_ comment: String) {
        guard let error = loadError() else {
            Issue.record("accepted silently: \(comment)")
            return
        }
        #expect(error is CheckpointError, "\(comment): \(error)")
        let text = "\(error)"
        #expect(text.contains("step-00000003") && !text.contains("\n"), "\(comment): \(text)")
    }

    @Test func everyTruncationIsNoticed() throws {
        for length in Array(stride(from: 0, to: fileBytes.count, by: 97)) + [fileBytes.count - 1] {
            try put(fileBytes.prefix(length), file)
            expectTypedError("file cut to \(length) bytes")
        }
        try put(fileBytes + [0], file)
        expectTypedError("one byte too many")
        try put(fileBytes, file)
        for length in Array(stride(from: 0, to: manifestBytes.count, by: 41)) + [manifestBytes.count - 1] {
            try put(manifestBytes.prefix(length), manifest)
            expectTypedError("manifest cut to \(length) bytes")
        }
    }

    /// With no size to compare, HDF5 itself meets the cut file.
    @Test func everyTruncationOfACopyIsNoticed() throws {
        let copy = folder.file("copy.h5")
        for length in stride(from: 0, to: fileBytes.count, by: 97) {
            try put(fileBytes.prefix(length), copy)
            #expect(throws: CheckpointError.self, "cut to \(length) bytes") { try CheckpointStore.load(path: copy) }
        }
    }

    @Test func everyBitFlipIsNoticed() throws {
        let random = Philox(seed: 20, domain: "bit flips")
        for trial in 0..<1000 {
            let inManifest = trial % 4 == 3
            var bytes = inManifest ? manifestBytes : fileBytes
            let bit = random.integer(below: bytes.count * 8, sample: trial)
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            try put(bytes, inManifest ? manifest : file)
            expectTypedError("bit \(bit) of the \(inManifest ? "manifest" : "file") flipped")
            try put(inManifest ? manifestBytes : fileBytes, inManifest ? manifest : file)
        }
        #expect(loadError() == nil, "the intact checkpoint still loads")
    }

    /// Without a manifest a flip in unused space of the file may pass, but then the content is what was published.
    @Test func noBitFlipOfACopyChangesTheContent() throws {
        let random = Philox(seed: 21, domain: "bit flips")
        let copy = folder.file("copy.h5")
        var noticed = 0
        for trial in 0..<400 {
            var bytes = fileBytes
            let bit = random.integer(below: bytes.count * 8, sample: trial)
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            try put(bytes, copy)
            do {
                let loaded = try CheckpointStore.load(path: copy)
                #expect(identical(loaded.checkpoint, original), "bit \(bit)")
            } catch {
                #expect(error is CheckpointError, "bit \(bit): \(error)")
                noticed += 1
            }
        }
        #expect(noticed > 0)
    }

    /// A flip inside the numbers names the dataset, with and without the manifest.
    @Test(arguments: [true, false])
    func aFlippedNumberNamesItsDataset(withManifest: Bool) throws {
        let pattern = original.arrays.last.map { $0.values.withUnsafeBytes { Array($0) } } ?? []
        let position = try #require(Data(fileBytes).range(of: Data(pattern)))
        var bytes = fileBytes
        bytes[position.lowerBound + 777] ^= 4
        try put(bytes, file)
        if !withManifest { try FileManager.default.removeItem(atPath: manifest) }
        do {
            _ = try CheckpointStore.load(path: file)
            Issue.record("accepted silently")
        } catch CheckpointError.damaged(let path, let dataset, let reason) {
            #expect(path == file && dataset == "/optimizer/generator/first_moment/encoder.conv_in.bias")
            #expect(reason.lowercased().contains("fletcher32"), "\(reason)")
        }
    }

    @Test func foreignFilesAreNoCheckpoints() throws {
        let foreign = folder.file("foreign.h5")
        let writer = try HDF5Writer(creating: foreign)
        try writer.createGroup("/model")
        try writer.close()
        #expect(throws: CheckpointError.notACheckpoint(
            file: foreign, reason: "it lacks the attribute format = mergevq-checkpoint")) {
            try CheckpointStore.load(path: foreign)
        }
        try put("not HDF5 at all".utf8, foreign)
        #expect(throws: CheckpointError.self) { try CheckpointStore.load(path: foreign) }
        #expect(throws: CheckpointError.notFound(file: folder.file("absent.h5"))) {
            try CheckpointStore.load(path: folder.file("absent.h5"))
        }
    }

    /// A file and a manifest that are both intact but do not belong together.
    @Test func aManifestOfAnotherFileIsNoticed() throws {
        let other = CheckpointStore(directory: folder.file("other"))
        try other.publish(sampleCheckpoint(step: 3, salt: 1))
        try put(try Data(contentsOf: URL(fileURLWithPath: folder.file("other/step-00000003.json"))), manifest)
        expectTypedError("manifest of another run")
    }
}

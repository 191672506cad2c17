import Checkpoints
import Checksums
import Fleet
import Foundation
import NeuralNet
import TestKit
import Testing
import Training

/// The folder of a run, seen from outside, and the arguments that its coordinator is started with.
struct Run {
    static let steps = 20
    static let preset = Fixtures.packageRoot.appendingPathComponent("configs/tokenizer-gr-tiny.yaml").path

    /// Overrides of the shipped preset that all runs share: the tokenizer's own losses only, for speed. `AllLossesTests` has the others.
    static let tokenizerLosses = ["losses.perceptual=0", "losses.adversarial=0", "losses.alignment=0"]

    /// `settings` of a model whose steps take milliseconds, for tests of what happens between them.
    static let smallModel = [
        "training.steps=\(steps)", "training.global_batch=8", "training.slots=4", "checkpoints.every_steps=5", "model.image_size=16",
        "model.channels=8", "model.channel_multipliers=[1, 2]", "model.groups=4", "model.encoder_heads=2", "model.decoder_heads=2",
        "model.attention_blocks=2", "model.bits=5", "model.source_recovery.width=16", "model.source_recovery.heads=2",
    ]

    let path: String
    let data: String
    var config = Run.preset
    var listen = "tcp://127.0.0.1:*"
    /// Overrides after those.
    var settings = ["training.steps=\(steps)", "training.global_batch=16", "checkpoints.every_steps=5"]
    var more: [String] = []

    var arguments: [String] {
        // Should this process die, the coordinator it leaves behind ends by itself.
        ["--config", config, "--data", data, "--run", path, "--listen", listen, "--gather-seconds", "120"]
            + allSettings.flatMap { ["--set", $0] } + more
    }

    /// Nothing is evaluated unless a test asks for it.
    private var allSettings: [String] { (config == Run.preset ? Run.tokenizerLosses + ["evaluation.every_steps=0"] : []) + settings }

    var configuration: RunConfiguration {
        get throws {
            try RunConfiguration(
                file: config,
                overrides: allSettings.map { setting in
                    let parts = setting.split(separator: "=", maxSplits: 1).map(String.init)
                    return (key: parts[0], value: parts[1])
                })
        }
    }

    var store: CheckpointStore { CheckpointStore(directory: "\(path)/checkpoints") }

    /// Bytes of the journal up to the last line end.
    var journalText: String {
        let text = (try? String(contentsOfFile: "\(path)/journal.jsonl", encoding: .utf8)) ?? ""
        return text.lastIndex(of: "\n").map { String(text[...$0]) } ?? ""
    }

    /// Committed steps so far.
    var committed: Int { journalText.utf8.count { $0 == UInt8(ascii: "\n") } }

    /// The journal's records, its chain of digests verified.
    func journal() throws -> [JournalRecord] { try Journal(reading: journalText) { SHA256.digest(of: $0) }.records }

    /// The journal without what may differ between equal runs: who computed what, and the chain over it.
    func results() throws -> [JournalRecord] {
        try journal().map { record in
            var record = record
            (record.blocks, record.previous) = ([], "")
            return record
        }
    }

    /// The sessions that computed something.
    func sessions() throws -> Set<SessionID> { Set(try journal().flatMap { $0.blocks.map(\.session) }) }

    /// The digest of the weights in a checkpoint, recomputed from its tensors.
    func weightsDigest(ofCheckpoint step: Int) throws -> String {
        let stored = try RunConfiguration(file: "\(path)/config.yaml")
        return try TrainingState(try store.load(step: step), model: stored.trainedModel).weightsDigest
    }

    /// Digests of everything that must not be lost: journal and checkpoints.
    func contents() throws -> [String: String] {
        var digests: [String: String] = ["journal.jsonl": SHA256.digest(of: journalText)]
        for name in try FileManager.default.contentsOfDirectory(atPath: store.directory) {
            let path = "\(store.directory)/\(name)"
            digests[name] = try (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) ?? fileDigest(path)
        }
        return digests
    }

    /// Compares this run, step by step and in its last checkpoint, with another.
    func expectEqual(to other: Run, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let (mine, theirs) = (try results(), try other.results())
        #expect(
            try mine.count == configuration.training.steps && theirs.count == mine.count, "\(mine.count) and \(theirs.count) steps",
            sourceLocation: sourceLocation)
        for (mine, theirs) in zip(mine, theirs) {
            #expect(mine == theirs, "step \(mine.step)", sourceLocation: sourceLocation)
            if mine != theirs { break }
        }
        #expect(try weightsDigest(ofCheckpoint: mine.count) == theirs.last?.weightsDigest, sourceLocation: sourceLocation)
    }

    /// A copy under another path; checkpoint files are shared, so they must be replaced, not written to.
    func copy(to path: String) throws -> Run {
        try FileManager.default.createDirectory(atPath: "\(path)/checkpoints", withIntermediateDirectories: true)
        for name in try FileManager.default.contentsOfDirectory(atPath: self.path) where name != "checkpoints" {
            try FileManager.default.copyItem(atPath: "\(self.path)/\(name)", toPath: "\(path)/\(name)")
        }
        for name in try FileManager.default.contentsOfDirectory(atPath: store.directory) {
            let (from, to) = ("\(store.directory)/\(name)", "\(path)/checkpoints/\(name)")
            if name == "latest" || name == "best" {
                try FileManager.default.copyItem(atPath: from, toPath: to)
            } else {
                try FileManager.default.linkItem(atPath: from, toPath: to)
            }
        }
        var copy = Run(path: path, data: data)
        copy.settings = settings
        return copy
    }

    /// Replaces the checkpoint file of a step by its first half.
    func truncateCheckpoint(_ step: Int) throws {
        let file = store.path(of: step)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: file))
        try FileManager.default.removeItem(atPath: file)
        try bytes.prefix(bytes.count / 2).write(to: URL(fileURLWithPath: file))
    }
}

/// SHA-256 of a file.
func fileDigest(_ path: String) throws -> String {
    try Data(contentsOf: URL(fileURLWithPath: path)).withUnsafeBytes { SHA256.digest(of: $0) }
}

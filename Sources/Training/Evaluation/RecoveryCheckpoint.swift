import Checkpoints
import MergeVQ
import NeuralNet
import TensorCore

/// A source-recovery model that was trained on its own, read from a checkpoint, in place of the tokenizer's.
public struct RecoveryCheckpoint {
    public let file: String
    public let step: Int
    public let recovery: SourceRecovery
    public let weights: Tensor
    /// Digest of the weights of the tokenizer whose codes it knows.
    public let tokenizerDigest: String?

    /// Reads a checkpoint file, or the newest valid checkpoint of a run directory.
    ///
    /// - Throws: `CheckpointError`, `ConfigurationError`, and `TrainingError` for a checkpoint of something else.
    public init(path: String, weights which: TokenizerCheckpoint.Weights) throws {
        let group = which == .ema ? "ema" : "model"
        let loaded = try TokenizerCheckpoint.load(path, group: group)
        let configuration = try TokenizerCheckpoint.configuration(of: loaded, task: .recovery)
        let model = RecoveryModel(configuration)
        (file, step, recovery) = (loaded.file, loaded.checkpoint.step, model.recovery)
        weights = try TrainingState.vector(group, of: loaded, layout: model.layout)
        tokenizerDigest = configuration.recovery.tokenizer
    }

    /// The slot of every cell, from codes as ±1, `[B, K, bits]` → `[B · L]`.
    public func owners(of z: Tensor, pool: ThreadPool) -> [Int32] {
        SourceRecovery.predictedOwners(recovery(Graph(weights: weights, pool: pool).constant(z)).value)
    }
}

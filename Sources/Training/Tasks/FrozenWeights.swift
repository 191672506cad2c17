import MergeVQ
import TensorCore

/// The weights of the networks that judge the tokenizer and are not trained. They are the same for the whole run and on every machine: seeded
/// random numbers, or files whose digests the configuration holds.
public struct FrozenWeights: Sendable {
    /// Of `StageOneModel.perceptual`; nil if there is none.
    public let perceptual: Tensor?
    /// Of `StageOneModel.teacher`.
    public let teacher: Tensor?

    /// Makes or reads the networks that the configuration's losses need.
    ///
    /// - Throws: `TrainingError.networkMissing` for a loss without network, `CheckpointError` or `PretrainedError` if a file cannot be read or
    ///   holds another network, `TrainingError.otherNetwork` if it is not the run's.
    public init(_ configuration: RunConfiguration, model: StageOneModel) throws {
        perceptual = try FrozenWeights.perceptual(configuration, model: model)
        teacher = try NeededNetwork.teacher(configuration, model: model)?.weights()
    }

    /// The weights of the perceptual network alone; nil if the model has none.
    ///
    /// - Throws: as `init` does.
    public static func perceptual(_ configuration: RunConfiguration, model: StageOneModel) throws -> Tensor? {
        try NeededNetwork.perceptual(configuration, model: model)?.weights()
    }
}

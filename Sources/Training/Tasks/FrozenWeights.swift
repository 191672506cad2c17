import MergeVQ
import NeuralNet
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
    /// - Throws: `TrainingError.networkMissing` for a loss without network, `PretrainedError` if a file cannot be read or holds another network,
    ///   `TrainingError.otherNetwork` if it is not the run's.
    public init(_ configuration: RunConfiguration, model: StageOneModel) throws {
        let seed = UInt64(configuration.seed)
        func weights(
            _ loss: String, _ key: String, _ source: RunConfiguration.NetworkSource, _ digest: String?, _ kind: PretrainedKind,
            _ layout: ParameterLayout
        ) throws -> Tensor {
            switch source {
            case .none: throw TrainingError.networkMissing(loss: loss, key: key, command: kind.importCommand)
            case .random: return layout.initialWeights(seed: seed)
            case .file(let path):
                let network = try NetworkFile(file: path, kind: kind)
                if let digest, digest != network.digest {
                    throw TrainingError.otherNetwork(file: path, stored: digest, found: network.digest)
                }
                return try network.vector(for: layout, prefix: "teacher.")
            }
        }
        perceptual = try model.perceptual.flatMap {
            try weights(
                "perceptual", "perceptual.network", configuration.perceptual.network, configuration.perceptual.sha256, .perceptual, $0.layout)
        }
        teacher = try model.teacher.flatMap {
            try weights("alignment", "alignment.teacher", configuration.alignment.teacher, configuration.alignment.sha256, .dinov2, $0.layout)
        }
    }
}

extension RunConfiguration {
    /// The configuration with the digests of the networks it names, so that workers and later parts of the run can tell whether theirs are the
    /// same.
    ///
    /// - Throws: `PretrainedError` if a file cannot be read.
    public func withNetworkDigests() throws -> RunConfiguration {
        var result = self
        if losses.perceptual > 0, case .file(let path) = perceptual.network, perceptual.sha256 == nil {
            result.perceptual.sha256 = try NetworkFile(file: path, kind: .perceptual).digest
        }
        if losses.alignment > 0, case .file(let path) = alignment.teacher, alignment.sha256 == nil {
            result.alignment.sha256 = try NetworkFile(file: path, kind: .dinov2).digest
        }
        return result
    }
}

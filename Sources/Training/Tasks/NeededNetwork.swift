import MergeVQ
import NeuralNet
import TensorCore

/// A network that a loss needs and that is not trained, with the place where the configuration says its weights come from.
struct NeededNetwork {
    private let kind: PretrainedKind
    private let layout: ParameterLayout
    private let seed: UInt64
    private let source: RunConfiguration.NetworkSource
    /// Of the run's file, once it is known.
    private let digest: String?
    private let missing: TrainingError

    /// Names of the teacher's parameters begin with it, those in its file do not.
    private static let prefix = "teacher."

    /// Of the perceptual loss; nil if it is off.
    static func perceptual(_ configuration: RunConfiguration, model: StageOneModel) -> NeededNetwork? {
        model.perceptual.map { perceptual(configuration, layout: $0.layout) }
    }

    static func perceptual(_ configuration: RunConfiguration, layout: ParameterLayout) -> NeededNetwork {
        NeededNetwork(
            kind: .perceptual, layout: layout, seed: UInt64(configuration.seed), source: configuration.perceptual.network,
            digest: configuration.perceptual.sha256,
            missing: .networkMissing(loss: "perceptual", key: "perceptual.network", command: PretrainedKind.perceptual.importCommand))
    }

    /// Of the alignment; nil if it is off.
    static func teacher(_ configuration: RunConfiguration, model: StageOneModel) -> NeededNetwork? {
        model.teacher.map { network in
            NeededNetwork(
                kind: .dinov2, layout: network.layout, seed: UInt64(configuration.seed), source: configuration.alignment.teacher,
                digest: configuration.alignment.sha256,
                missing: .networkMissing(loss: "alignment", key: "alignment.teacher", command: PretrainedKind.dinov2.importCommand))
        }
    }

    /// The weights, `[layout.count]`.
    func weights() throws -> Tensor { try named().weights }

    /// The weights, `[layout.count]`, and what they are called: `random`, or the digest of their file.
    func named() throws -> (weights: Tensor, name: String) {
        switch source {
        case .none: throw missing
        case .random: return (layout.initialWeights(seed: seed), "random")
        case .file(let path):
            let network = try NetworkFile(file: path, kind: kind)
            try check(network.digest, of: path)
            return (try network.vector(for: layout, prefix: NeededNetwork.prefix), network.digest)
        }
    }

    /// The digest of the network's file, nil for random weights. Refuses what `weights` refuses, but never holds more than one array.
    func verifiedDigest() throws -> String? {
        switch source {
        case .none: throw missing
        case .random: return nil
        case .file(let path):
            let found = try NetworkFile.digest(of: path, kind: kind, fitting: layout, prefix: NeededNetwork.prefix)
            try check(found, of: path)
            return found
        }
    }

    private func check(_ found: String, of file: String) throws {
        if let digest, digest != found { throw TrainingError.otherNetwork(file: file, stored: digest, found: found) }
    }
}

extension RunConfiguration {
    /// The configuration with the digests of the networks that its losses need, so that workers and later parts of the run can tell whether
    /// theirs are the same. Every file is read once and none is kept: this is all that a coordinator does with them.
    ///
    /// - Parameter model: of this configuration.
    /// - Throws: as `FrozenWeights` does.
    public func withNetworkDigests(for model: StageOneModel) throws -> RunConfiguration {
        var result = self
        if let digest = try NeededNetwork.perceptual(self, model: model)?.verifiedDigest() { result.perceptual.sha256 = digest }
        if let digest = try NeededNetwork.teacher(self, model: model)?.verifiedDigest() { result.alignment.sha256 = digest }
        return result
    }
}

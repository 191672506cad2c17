import Evaluation
import MergeVQ

/// The network that LPIPS is measured with.
public struct EvaluationNetwork {
    /// `random`, or the SHA-256 of the network's file.
    public let name: String
    let perceptual: ReconstructionQuality.Perceptual

    /// The perceptual network of a configuration, whether it trains with it or not; nil if it names none.
    ///
    /// - Throws: `CheckpointError` or `PretrainedError` if its file cannot be read or holds another network, `TrainingError.otherNetwork` if it is
    ///   not the run's.
    public static func perceptual(_ configuration: RunConfiguration) throws -> EvaluationNetwork? {
        guard configuration.perceptual.network != .none else { return nil }
        let (distance, layout) = PerceptualDistance.build(width: configuration.perceptual.channels)
        let (weights, name) = try NeededNetwork.perceptual(configuration, layout: layout).named()
        return EvaluationNetwork(name: name, perceptual: ReconstructionQuality.Perceptual(distance, weights: weights))
    }
}

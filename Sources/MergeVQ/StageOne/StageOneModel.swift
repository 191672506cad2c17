import NeuralNet
import TensorCore

/// What stage 1 trains, the tokenizer and its discriminator side by side in one vector, and the frozen networks that judge it.
public struct StageOneModel: Sendable {
    public let configuration: StageOneConfiguration
    public let tokenizer: Tokenizer
    /// Nil without adversarial loss.
    public let discriminator: PatchDiscriminator?
    /// Of all trained weights: the tokenizer's first, then the discriminator's.
    public let layout: ParameterLayout
    /// The optimizers by name, each with its part of the vector, `generator` and `discriminator`; gradients are clipped one by one.
    public let optimizers: [(name: String, range: Range<Int>)]
    /// Nil without perceptual loss.
    public let perceptual: FrozenNetwork<PerceptualDistance>?
    /// Nil without alignment.
    public let teacher: FrozenNetwork<VisionTransformer>?

    /// A network that is not trained, and the layout of its weights.
    public struct FrozenNetwork<Network: Sendable>: Sendable {
        public let network: Network
        public let layout: ParameterLayout

        init(_ built: (Network, ParameterLayout)) { (network, layout) = built }
    }

    /// Registers `encoder.…`, `decoder.…`, `source_recovery.…` and, with adversarial loss, `disc.…`. The encoder's alignment head must be as wide as
    /// the teacher.
    public init(_ configuration: StageOneConfiguration) {
        self.configuration = configuration
        let losses = configuration.losses
        let (parts, layout) = ParameterLayout.build { scope in
            let tokenizer = Tokenizer(scope, configuration.tokenizer)
            return (tokenizer, losses.adversarial > 0 ? PatchDiscriminator(scope / "disc", configuration.discriminator) : nil)
        }
        (tokenizer, discriminator) = parts
        self.layout = layout
        let generator = layout.parameters.first { $0.name.hasPrefix("disc.") }?.offset ?? layout.count
        optimizers = [("generator", 0..<generator)] + (generator < layout.count ? [("discriminator", generator..<layout.count)] : [])
        perceptual = losses.perceptual > 0 ? FrozenNetwork(PerceptualDistance.build(width: configuration.perceptualWidth)) : nil
        teacher = losses.alignment > 0 ? FrozenNetwork(VisionTransformer.build(configuration.teacher)) : nil
        precondition(
            losses.alignment == 0 || configuration.tokenizer.encoder.alignment?.outputs == configuration.teacher.width,
            "an alignment head of \(configuration.tokenizer.encoder.alignment?.outputs ?? 0) outputs for a teacher of width \(configuration.teacher.width)")
    }

    /// Statistics before the first step.
    public var initialStatistics: StageOneStatistics { StageOneStatistics(startOf: self) }

    /// The names of a pass's terms, in the order of `StageOneResult.terms`.
    public var termNames: [String] {
        var names = ["loss", "reconstruction"]
        if perceptual != nil { names.append("perceptual") }
        names += Tokenizer.termNames.dropFirst(2)
        if teacher != nil { names.append("alignment") }
        if discriminator != nil {
            names += ["generator", "adversarial_weight", "discriminator", "discriminator_hinge", "lecam", "logit_real", "logit_fake"]
        }
        return names
    }
}

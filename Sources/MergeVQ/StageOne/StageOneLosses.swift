/// Weights and forms of all losses of stage 1 (spec 5, 6). A weight of 0 switches a loss off, and what only that loss needs with it.
public struct StageOneLosses: Sendable, Equatable {
    /// What needs nothing but the tokenizer.
    public var tokenizer = TokenizerLossWeights()
    /// LPIPS
    public var perceptual: Float = 0
    /// Of the generator's adversarial loss; the factor on the adaptive weight if `adaptive`.
    public var adversarial: Float = 0
    /// Whether the adversarial weight follows the gradients at the decoder's last layer, as in VQGAN: off in the official configurations.
    public var adaptive = false
    public var adversarialForm = AdversarialLoss()
    public var alignment: Float = 0
    public var alignmentForm = AlignmentLoss.standard
    public var viewMerging = ViewMerging.scaled

    public init() {}
}

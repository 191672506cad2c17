/// Everything that defines stage 1: the tokenizer, its losses, and the networks that these need.
public struct StageOneConfiguration: Sendable, Equatable {
    public var tokenizer: TokenizerConfiguration
    public var losses: StageOneLosses
    /// Trained against the tokenizer if the adversarial loss is on.
    public var discriminator: PatchDiscriminatorConfiguration
    /// Channels of the perceptual network's first stage.
    public var perceptualWidth: Int
    /// The network whose class token the tokenizer's is aligned with.
    public var teacher: VisionTransformerConfiguration

    public init(
        tokenizer: TokenizerConfiguration, losses: StageOneLosses = StageOneLosses(),
        discriminator: PatchDiscriminatorConfiguration = PatchDiscriminatorConfiguration(), perceptualWidth: Int = 64,
        teacher: VisionTransformerConfiguration = .dinov2Base
    ) {
        self.tokenizer = tokenizer
        self.losses = losses
        self.discriminator = discriminator
        self.perceptualWidth = perceptualWidth
        self.teacher = teacher
    }
}

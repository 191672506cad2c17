extension TokenizerConfiguration {
    /// The paper's tokenizers for images of 256 × 256 pixels (spec 0); the files `configs/tokenizer-{g,gr,r}.yaml` say the same.
    public enum FullSize: String, Sendable, CaseIterable {
        /// For generation: 1024 tokens, 256 kept.
        case g
        /// For generation and representation: 256 tokens, 144 kept.
        case gr
        /// For representation: 256 tokens from patches, 36 kept.
        case r
    }

    /// The configuration of a full-size tokenizer, without alignment.
    public static func fullSize(_ variant: FullSize) -> TokenizerConfiguration {
        let multipliers = variant == .g ? [1, 2, 4, 8] : [1, 1, 2, 4, 8]
        let (bits, groups, layerScale) = (18, 32, Float(1e-5))
        let stem: StemConfiguration =
            variant == .r ? .patches(size: 16, width: 768) : .convolutional(channels: 64, multipliers: multipliers, residualBlocks: 4)
        let kept: KeptTokenDistribution =
            switch variant {
            case .g: KeptTokenDistribution(shape: .gaussian, target: 256, count: 9)
            case .gr: KeptTokenDistribution(shape: .gaussian, target: 144, count: 6)
            case .r: KeptTokenDistribution(shape: .exponential, target: 36, count: 5)
            }
        return TokenizerConfiguration(
            imageSize: 256,
            encoder: EncoderConfiguration(
                stem: stem, blocks: 12, heads: stem.width / 64, bits: bits, groups: groups, layerScale: layerScale),
            decoder: DecoderConfiguration(
                channels: 64, multipliers: multipliers, residualBlocks: 4, blocks: 12, heads: 8, bits: bits, groups: groups,
                layerScale: layerScale),
            recovery: SourceRecoveryConfiguration(width: 384, heads: 8, crossAttentionBlocks: 2, selfAttentionBlocks: 2),
            keptTokens: kept, schedule: .linear)
    }
}

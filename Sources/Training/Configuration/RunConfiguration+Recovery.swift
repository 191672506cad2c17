import Checksums
import MergeVQ
import NeuralNet

extension RunConfiguration {
    /// Source recovery trained on its own, on codes as a generator makes them (stage2 3.5, 3.6). Defaults are the paper's, as far as it tells.
    public struct Recovery: Sendable, Equatable {
        public var width = 384
        public var heads = 8
        public var crossAttentionBlocks = 2
        public var selfAttentionBlocks = 2
        /// Start of the LayerScale gains; none for a model without.
        public var layerScale: Double? = 1e-5
        public var loss = TokenizerLossWeights.RecoveryLoss.categorical
        /// A checkpoint of the RandAR generator whose errors the codes get; none for true codes.
        public var generator: String?
        /// The largest share of an image's codes that are the generator's own; every image draws one up to it.
        public var corruption = 0.5
        /// Filled in when a run starts: digest of the generator's weights; bits of a code, cells of a side and digest of the tokenizer, as the token
        /// file says.
        public var sha256: String?
        public var bits: Int?
        public var grid: Int?
        public var tokenizer: String?
    }

    /// The model that this run trains.
    var recoveryConfiguration: SourceRecoveryConfiguration {
        SourceRecoveryConfiguration(
            width: recovery.width, heads: recovery.heads, crossAttentionBlocks: recovery.crossAttentionBlocks,
            selfAttentionBlocks: recovery.selfAttentionBlocks, layerScale: recovery.layerScale.map { Float($0) })
    }

    /// The configuration with what a token file and the generator's checkpoint say.
    ///
    /// - Throws: `TrainingError`, `CheckpointError` if they do not fit.
    func completedRecovery(for tokens: TokenFile) throws -> RunConfiguration {
        let header = tokens.header
        var result = self
        result.recovery.bits = header.bits
        result.recovery.grid = header.grid
        result.recovery.tokenizer = header.tokenizerDigest
        if let generator = try FrozenGenerator(result) {
            guard generator.checkpoint.tokenizerDigest == header.tokenizerDigest else {
                throw TrainingError.unsuitableTokens(
                    file: tokens.path,
                    reason: "holds tokens of another tokenizer than recovery.generator learnt (\(generator.checkpoint.file)); give the file it was trained on")
            }
            guard header.keptCounts == [generator.checkpoint.generator.configuration.cells] else {
                throw TrainingError.unsuitableTokens(
                    file: tokens.path,
                    reason: "has records of \(header.keptCounts.map(String.init).joined(separator: ", ")) kept tokens, recovery.generator makes"
                        + " \(generator.checkpoint.generator.configuration.cells); give the file it was trained on")
            }
            result.recovery.sha256 = generator.digest
        }
        return result
    }
}

extension RunConfiguration.Recovery {
    mutating func visit(_ fields: any ConfigurationVisitor) throws {
        func isSize(_ value: Int) -> Bool { (1...65_536).contains(value) }
        try fields.field("width", &width, must: "1 to 65536", isSize)
        let width = width
        try fields.field("heads", &heads, must: "a divisor of the width \(width)") { $0 >= 1 && width % $0 == 0 }
        try fields.field("cross_attention_blocks", &crossAttentionBlocks, must: "1 to 1024") { (1...1024).contains($0) }
        try fields.field("self_attention_blocks", &selfAttentionBlocks, must: "0 to 1024") { (0...1024).contains($0) }
        try fields.field("layer_scale", &layerScale, must: "more than 0, or none") { $0.map { $0 > 0 } ?? true }
        try fields.field("loss", &loss)
        try fields.field("generator", &generator)
        try fields.field("corruption", &corruption, must: "within 0 … 1") { (0...1).contains($0) }
        try fields.field("sha256", &sha256)
        try fields.field("bits", &bits, must: "2 to 18, or none") { $0.map { (2...18).contains($0) } ?? true }
        try fields.field("grid", &grid, must: "1 to 255, or none") { $0.map { (1...255).contains($0) } ?? true }
        try fields.field("tokenizer", &tokenizer)
    }
}

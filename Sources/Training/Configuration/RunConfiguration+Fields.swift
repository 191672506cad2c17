import MergeVQ

/// The fields by their names in configuration files, each with what its value must satisfy.
extension RunConfiguration {
    mutating func visit(_ fields: any ConfigurationVisitor) throws {
        try fields.field("seed", &seed, must: "0 or more") { $0 >= 0 }
        try fields.section("model") { try model.visit($0) }
        try fields.section("merging") { try merging.visit($0, model) }
        try fields.section("losses") { try losses.visit($0) }
        try fields.section("training") { try training.visit($0) }
        try fields.section("optimizer") { try optimizer.visit($0) }
        try fields.section("checkpoints") { try checkpoints.visit($0) }
    }
}

private func positive(_ value: Int) -> Bool { value >= 1 }
private func notNegative(_ value: Double) -> Bool { value >= 0 }

extension RunConfiguration.Model {
    /// Image pixels to one token, per side.
    var downsampling: Int { stem == .patches ? patchSize : 1 << (channelMultipliers.count - 1) }
    /// Token width of the encoder.
    var width: Int { stem == .patches ? patchWidth : channels * (channelMultipliers.last ?? 1) }

    mutating func visit(_ fields: any ConfigurationVisitor) throws {
        try fields.field("stem", &stem)
        try fields.field("channels", &channels, must: "1 or more", positive)
        try fields.field("channel_multipliers", &channelMultipliers, must: "1 to 8 numbers of at least 1") {
            (1...8).contains($0.count) && $0.allSatisfy(positive)
        }
        try fields.field("residual_blocks", &residualBlocks, must: "1 or more", positive)
        try fields.field("patch_size", &patchSize, must: "1 or more", positive)
        try fields.field("patch_width", &patchWidth, must: "1 or more", positive)
        let step = downsampling
        try fields.field("image_size", &imageSize, must: "a multiple of \(step), the pixels of one token") { $0 >= 2 * step && $0 % step == 0 }
        try fields.field("attention_blocks", &attentionBlocks, must: "1 or more", positive)
        let widths = [width, channels * (channelMultipliers.last ?? 1)]
        try fields.field("heads", &heads, must: "a divisor of the token widths \(widths[0]) and \(widths[1])") { heads in
            heads >= 1 && widths.allSatisfy { $0 % heads == 0 }
        }
        try fields.field("bits", &bits, must: "1 to 18") { (1...18).contains($0) }
        let channels = channels
        try fields.field("groups", &groups, must: "a divisor of \(channels) channels") { $0 >= 1 && channels % $0 == 0 }
        try fields.field("layer_scale", &layerScale, must: "more than 0") { $0 > 0 }
        try fields.section("source_recovery") { try sourceRecovery.visit($0) }
    }
}

extension RunConfiguration.SourceRecovery {
    mutating func visit(_ fields: any ConfigurationVisitor) throws {
        try fields.field("width", &width, must: "1 or more", positive)
        let width = width
        try fields.field("heads", &heads, must: "a divisor of the width \(width)") { $0 >= 1 && width % $0 == 0 }
        try fields.field("cross_attention_blocks", &crossAttentionBlocks, must: "1 or more", positive)
        try fields.field("self_attention_blocks", &selfAttentionBlocks, must: "0 or more") { $0 >= 0 }
    }
}

extension RunConfiguration.Merging {
    mutating func visit(_ fields: any ConfigurationVisitor, _ model: RunConfiguration.Model) throws {
        let grid = model.imageSize / model.downsampling
        try fields.field("distribution", &distribution)
        try fields.field("candidates", &candidates, must: "1 or more", positive)
        let (shape, count) = (distribution, candidates)
        try fields.field(
            "kept_tokens", &keptTokens, must: "such that all \(count) candidates lie within 1 … \(grid * grid), the tokens of an image"
        ) { target in
            target >= 1
                && KeptTokenDistribution(shape: shape, target: target, count: count).candidates.allSatisfy { (1...(grid * grid)).contains($0) }
        }
        try fields.field("schedule", &schedule)
    }
}

extension RunConfiguration.Losses {
    mutating func visit(_ fields: any ConfigurationVisitor) throws {
        try fields.field("reconstruction", &reconstruction, must: "more than 0") { $0 > 0 }
        try fields.field("entropy", &entropy, must: "0 or more", notNegative)
        try fields.field("commitment", &commitment, must: "0 or more", notNegative)
        try fields.field("source_recovery", &sourceRecovery, must: "0 or more", notNegative)
    }
}

extension RunConfiguration.Training {
    mutating func visit(_ fields: any ConfigurationVisitor) throws {
        try fields.field("steps", &steps, must: "1 or more", positive)
        try fields.field("slots", &slots, must: "a power of two") { $0 >= 1 && $0 & ($0 - 1) == 0 }
        let slots = slots
        try fields.field("global_batch", &globalBatch, must: "a multiple of the \(slots) slots") { $0 >= 1 && $0 % slots == 0 }
    }
}

extension RunConfiguration.Optimizer {
    mutating func visit(_ fields: any ConfigurationVisitor) throws {
        try fields.field("learning_rate", &learningRate, must: "more than 0") { $0 > 0 }
        try fields.field("beta1", &beta1, must: "within 0 … 1, without 1") { (0..<1).contains($0) }
        try fields.field("beta2", &beta2, must: "within 0 … 1, without 1") { (0..<1).contains($0) }
        try fields.field("weight_decay", &weightDecay, must: "0 or more", notNegative)
        try fields.field("gradient_clip", &gradientClip, must: "more than 0, or none") { $0.map { $0 > 0 } ?? true }
        try fields.field("ema_decay", &emaDecay, must: "within 0 … 1, without 1") { (0..<1).contains($0) }
    }
}

extension RunConfiguration.Checkpoints {
    mutating func visit(_ fields: any ConfigurationVisitor) throws {
        try fields.field("every_steps", &everySteps, must: "1 or more", positive)
        try fields.field("keep_last", &keepLast, must: "1 or more", positive)
        try fields.field("keep_every_steps", &keepEverySteps, must: "0 or more") { $0 >= 0 }
    }
}

extension RunConfiguration {
    /// The tokenizer that this run trains.
    public var tokenizer: TokenizerConfiguration {
        let stem: StemConfiguration =
            model.stem == .patches
            ? .patches(size: model.patchSize, width: model.patchWidth)
            : .convolutional(channels: model.channels, multipliers: model.channelMultipliers, residualBlocks: model.residualBlocks)
        return TokenizerConfiguration(
            imageSize: model.imageSize,
            encoder: EncoderConfiguration(
                stem: stem, blocks: model.attentionBlocks, heads: model.heads, bits: model.bits, groups: model.groups,
                layerScale: Float(model.layerScale)),
            decoder: DecoderConfiguration(
                channels: model.channels, multipliers: model.channelMultipliers, residualBlocks: model.residualBlocks,
                blocks: model.attentionBlocks, heads: model.heads, bits: model.bits, groups: model.groups,
                layerScale: Float(model.layerScale)),
            recovery: SourceRecoveryConfiguration(
                width: model.sourceRecovery.width, heads: model.sourceRecovery.heads,
                crossAttentionBlocks: model.sourceRecovery.crossAttentionBlocks,
                selfAttentionBlocks: model.sourceRecovery.selfAttentionBlocks),
            keptTokens: KeptTokenDistribution(shape: merging.distribution, target: merging.keptTokens, count: merging.candidates),
            schedule: merging.schedule)
    }

    /// The loss weights as the model takes them.
    public var lossWeights: TokenizerLossWeights {
        TokenizerLossWeights(
            reconstruction: Float(losses.reconstruction), entropy: Float(losses.entropy), commitment: Float(losses.commitment),
            sourceRecovery: Float(losses.sourceRecovery))
    }
}

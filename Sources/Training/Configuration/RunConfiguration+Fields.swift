import MergeVQ

/// The fields by their names in configuration files, each with what its value must satisfy.
extension RunConfiguration {
    mutating func visit(_ fields: any ConfigurationVisitor) throws {
        try fields.field("task", &task)
        try fields.field("seed", &seed, must: "0 or more") { $0 >= 0 }
        switch task {
        case .tokenizer: try visitTokenizer(fields)
        case .tokenize:
            try fields.section("tokens") { try tokens.visit($0) }
            try visitTokenizer(fields)
        case .generate:
            try fields.section("generation") { try generation.visit($0) }
            try fields.section("generator") { try generator.visit($0) }
            try visitTokenizer(fields)
        case .generator:
            try fields.section("generator") { try generator.visit($0) }
            try visitTraining(fields)
        case .recovery:
            try fields.section("recovery") { try recovery.visit($0) }
            try visitTraining(fields)
        }
    }

    private mutating func visitTokenizer(_ fields: any ConfigurationVisitor) throws {
        try fields.section("model") { try model.visit($0) }
        try fields.section("merging") { try merging.visit($0, model) }
        try fields.section("losses") { try losses.visit($0) }
        try fields.section("perceptual") { try perceptual.visit($0) }
        try fields.section("discriminator") { try discriminator.visit($0, losses, imageSize: model.imageSize) }
        try fields.section("alignment") { try alignment.visit($0, losses, downsampling: model.downsampling) }
        try visitTraining(fields)
        try fields.section("evaluation") { try evaluation.visit($0, model, merging, perceptual) }
    }

    private mutating func visitTraining(_ fields: any ConfigurationVisitor) throws {
        try fields.section("training") { try training.visit($0) }
        try fields.section("optimizer") { try optimizer.visit($0) }
        try fields.section("checkpoints") { try checkpoints.visit($0) }
    }
}

/// What sizes and counts must be. The upper limit is far above any model, and keeps products of a few of them within an Int.
private let sizes = "1 to 65536"
private func size(_ value: Int) -> Bool { (1...65_536).contains(value) }
/// Far above any depth, and few enough that every block may be looked at.
private let depths = "1 to 1024"
private func depth(_ value: Int) -> Bool { (1...1024).contains(value) }
/// Tokens along an image's side. Attention looks at all pairs of tokens: with this many there are 2^32.
private let mostTokensOfSide = 256
private func notNegative(_ value: Double) -> Bool { value >= 0 }

extension RunConfiguration.Model {
    /// Image pixels to one token, per side.
    var downsampling: Int { stem == .patches ? patchSize : 1 << (channelMultipliers.count - 1) }
    /// Token width of the encoder.
    var width: Int { stem == .patches ? patchWidth : channels * (channelMultipliers.last ?? 1) }

    mutating func visit(_ fields: any ConfigurationVisitor) throws {
        try fields.field("stem", &stem)
        try fields.field("channels", &channels, must: sizes, size)
        try fields.field("channel_multipliers", &channelMultipliers, must: "1 to 8 numbers of at least 1 and at most 1024") {
            (1...8).contains($0.count) && $0.allSatisfy((1...1024).contains)
        }
        try fields.field("residual_blocks", &residualBlocks, must: depths, depth)
        try fields.field("patch_size", &patchSize, must: sizes, size)
        try fields.field("patch_width", &patchWidth, must: sizes, size)
        let step = downsampling
        let most = min(65_536, mostTokensOfSide * step)
        try fields.field("image_size", &imageSize, must: "a multiple of \(step), the pixels of one token, from \(2 * step) to \(most)") {
            $0 >= 2 * step && $0 <= most && $0 % step == 0
        }
        try fields.field("attention_blocks", &attentionBlocks, must: depths, depth)
        let (encoderWidth, decoderWidth) = (width, channels * (channelMultipliers.last ?? 1))
        try fields.field("encoder_heads", &encoderHeads, must: "a divisor of the encoder's token width \(encoderWidth)") {
            $0 >= 1 && encoderWidth % $0 == 0
        }
        try fields.field("decoder_heads", &decoderHeads, must: "a divisor of the decoder's token width \(decoderWidth)") {
            $0 >= 1 && decoderWidth % $0 == 0
        }
        try fields.field("bits", &bits, must: "1 to 18") { (1...18).contains($0) }
        let channels = channels
        try fields.field("groups", &groups, must: "a divisor of \(channels) channels") { $0 >= 1 && channels % $0 == 0 }
        try fields.field("layer_scale", &layerScale, must: "more than 0") { $0 > 0 }
        try fields.field("encoder_start", &encoderStart)
        try fields.section("source_recovery") { try sourceRecovery.visit($0) }
    }
}

extension RunConfiguration.SourceRecovery {
    mutating func visit(_ fields: any ConfigurationVisitor) throws {
        try fields.field("width", &width, must: sizes, size)
        let width = width
        try fields.field("heads", &heads, must: "a divisor of the width \(width)") { $0 >= 1 && width % $0 == 0 }
        try fields.field("cross_attention_blocks", &crossAttentionBlocks, must: depths, depth)
        try fields.field("self_attention_blocks", &selfAttentionBlocks, must: "0 to 1024") { $0 == 0 || depth($0) }
    }
}

extension RunConfiguration.Merging {
    mutating func visit(_ fields: any ConfigurationVisitor, _ model: RunConfiguration.Model) throws {
        let grid = model.imageSize / model.downsampling
        let full = grid * grid
        try fields.field("distribution", &distribution)
        // Candidates are consecutive squares: more do not fit into the tokens of an image.
        try fields.field("candidates", &candidates, must: "1 to \(grid + 1)") { (1...(grid + 1)).contains($0) }
        try fields.field("schedule", &schedule)
        try fields.field("draw", &draw)
        let (shape, count, schedule) = (distribution, candidates, schedule)
        let least = schedule.leastKept(length: full, layers: model.attentionBlocks)
        try fields.field(
            "kept_tokens", &keptTokens,
            must: "such that all \(count) candidates lie within \(least) … \(full), what \(model.attentionBlocks) attention blocks can keep of an image"
        ) { target in
            (1...full).contains(target)
                && KeptTokenDistribution(shape: shape, target: target, count: count).candidates.allSatisfy { (least...full).contains($0) }
        }
    }
}

extension RunConfiguration.Losses {
    mutating func visit(_ fields: any ConfigurationVisitor) throws {
        try fields.field("reconstruction", &reconstruction, must: "more than 0") { $0 > 0 }
        try fields.field("reconstruction_norm", &reconstructionNorm)
        try fields.field("perceptual", &perceptual, must: "0 or more", notNegative)
        try fields.field("adversarial", &adversarial, must: "0 or more", notNegative)
        try fields.field("generator_loss", &generatorLoss)
        try fields.field("adaptive", &adaptive)
        try fields.field("lecam", &lecam, must: "0 or more", notNegative)
        try fields.field("entropy", &entropy, must: "0 or more", notNegative)
        try fields.field("entropy_group_bits", &entropyGroupBits, must: "1 or more, or none") { $0.map { $0 >= 1 } ?? true }
        try fields.field("commitment", &commitment, must: "0 or more", notNegative)
        try fields.field("source_recovery", &sourceRecovery, must: "0 or more", notNegative)
        try fields.field("source_recovery_loss", &sourceRecoveryLoss)
        try fields.field("source_recovery_trains_encoder", &sourceRecoveryTrainsEncoder)
        try fields.field("alignment", &alignment, must: "0 or more", notNegative)
        try fields.field("alignment_loss", &alignmentLoss)
    }
}

extension RunConfiguration.Perceptual {
    mutating func visit(_ fields: any ConfigurationVisitor) throws {
        try fields.field("network", &network)
        try fields.field("sha256", &sha256)
        try fields.field("channels", &channels, must: sizes, size)
    }
}

extension RunConfiguration.Discriminator {
    mutating func visit(_ fields: any ConfigurationVisitor, _ losses: RunConfiguration.Losses, imageSize: Int) throws {
        try fields.field("channels", &channels, must: sizes, size)
        try fields.field("layers", &layers, must: "1 to 8, few enough that images of \(imageSize) pixels have a logit") { layers in
            (1...8).contains(layers)
                && (losses.adversarial == 0 || PatchDiscriminatorConfiguration(channels: 1, layers: layers).logitSize(imageSize) > 0)
        }
    }
}

extension RunConfiguration.Alignment {
    mutating func visit(_ fields: any ConfigurationVisitor, _ losses: RunConfiguration.Losses, downsampling: Int) throws {
        try fields.field("teacher", &teacher)
        try fields.field("sha256", &sha256)
        try fields.field("teacher_patch_size", &teacherPatchSize, must: sizes, size)
        let patch = teacherPatchSize
        try fields.field("teacher_view_size", &teacherViewSize, must: "a multiple of the teacher's patches of \(patch) pixels") {
            size($0) && $0 % patch == 0
        }
        let isOn = losses.alignment > 0
        let most = mostTokensOfSide * downsampling
        try fields.field("student_view_size", &studentViewSize, must: "a multiple of \(downsampling), the pixels of one token, up to \(most)") {
            size($0) && (!isOn || $0 % downsampling == 0 && $0 <= most)
        }
        try fields.field("teacher_width", &teacherWidth, must: sizes, size)
        try fields.field("teacher_blocks", &teacherBlocks, must: depths, depth)
        let width = teacherWidth
        try fields.field("teacher_heads", &teacherHeads, must: "a divisor of the teacher's width \(width)") { $0 >= 1 && width % $0 == 0 }
        try fields.field("teacher_grid", &teacherGrid, must: sizes, size)
        try fields.field("student_head", &studentHead)
        try fields.field("view_merging", &viewMerging)
    }
}

extension RunConfiguration.Training {
    mutating func visit(_ fields: any ConfigurationVisitor) throws {
        // Random numbers are keyed by 48 bits of the step; the product with the batch is an Int.
        try fields.field("steps", &steps, must: "1 to 2^32") { (1...1 << 32).contains($0) }
        try fields.field("slots", &slots, must: "a power of two, at most 65536") { size($0) && $0 & ($0 - 1) == 0 }
        let slots = slots
        try fields.field("global_batch", &globalBatch, must: "a multiple of the \(slots) slots, at most 2^30") {
            (1...1 << 30).contains($0) && $0 % slots == 0
        }
        try fields.field("recompute", &recompute)
    }
}

extension RunConfiguration.Optimizer {
    mutating func visit(_ fields: any ConfigurationVisitor) throws {
        try fields.field("learning_rate", &learningRate, must: "more than 0") { $0 > 0 }
        try fields.field("schedule", &schedule)
        try fields.field("warm_up_steps", &warmUpSteps, must: "0 or more") { $0 >= 0 }
        try fields.field("drop_epochs", &dropEpochs, must: "ascending, of at least 1") { $0.allSatisfy { $0 >= 1 } && $0 == $0.sorted() }
        try fields.field("drop_factor", &dropFactor, must: "more than 0") { $0 > 0 }
        try fields.field("minimum_share", &minimumShare, must: "within 0 … 1") { (0...1).contains($0) }
        try fields.field("beta1", &beta1, must: "within 0 … 1, without 1") { (0..<1).contains($0) }
        try fields.field("beta2", &beta2, must: "within 0 … 1, without 1") { (0..<1).contains($0) }
        try fields.field("weight_decay", &weightDecay, must: "0 or more", notNegative)
        try fields.field("gradient_clip", &gradientClip, must: "more than 0, or none") { $0.map { $0 > 0 } ?? true }
        try fields.field("ema_decay", &emaDecay, must: "within 0 … 1, without 1") { (0..<1).contains($0) }
    }
}

extension RunConfiguration.Checkpoints {
    mutating func visit(_ fields: any ConfigurationVisitor) throws {
        try fields.field("every_steps", &everySteps, must: "1 or more") { $0 >= 1 }
        try fields.field("keep_last", &keepLast, must: "1 or more") { $0 >= 1 }
        try fields.field("keep_every_steps", &keepEverySteps, must: "0 or more") { $0 >= 0 }
    }
}

extension RunConfiguration.Evaluation {
    mutating func visit(
        _ fields: any ConfigurationVisitor, _ model: RunConfiguration.Model, _ merging: RunConfiguration.Merging,
        _ perceptual: RunConfiguration.Perceptual
    ) throws {
        try fields.field("every_steps", &everySteps, must: "0 or more") { $0 >= 0 }
        try fields.field("every_epochs", &everyEpochs, must: "0 to 2^20") { (0...1 << 20).contains($0) }
        try fields.field("images", &images, must: "0 or more") { $0 >= 0 }
        let grid = model.imageSize / model.downsampling
        let least = merging.schedule.leastKept(length: grid * grid, layers: model.attentionBlocks)
        try fields.field("kept_tokens", &keptTokens, must: "ascending numbers within \(least) … \(grid * grid)") {
            $0.allSatisfy { (least...(grid * grid)).contains($0) } && zip($0, $0.dropFirst()).allSatisfy { $0 < $1 }
        }
        try fields.field("pictures", &pictures, must: "0 to 1024") { (0...1024).contains($0) }
        let isMeasured = perceptual.network != .none
        try fields.field("best", &best, must: "psnr, ssim or l1, or lpips if there is a perceptual.network") { $0 != .lpips || isMeasured }
    }
}

extension MergeSchedule {
    /// So many tokens, or any number above it, can be left by so many layers: each merges at most half of what it gets.
    func leastKept(length: Int, layers: Int) -> Int {
        func isReached(_ kept: Int) -> Bool {
            let counts = mergeCounts(length: length, kept: kept, layers: layers)
            return MergeSchedule.capped(counts, length: length) == counts
        }
        // Fewer merges fit wherever more do, up to the rounding of the layers' shares.
        var (low, high) = (1, length)
        while low < high {
            let middle = (low + high) / 2
            if isReached(middle) { high = middle } else { low = middle + 1 }
        }
        for kept in high..<min(high + layers, length) where !isReached(kept) { high = kept + 1 }
        return high
    }
}

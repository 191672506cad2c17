import MergeVQ
import NeuralNet

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
                stem: stem, blocks: model.attentionBlocks, heads: model.encoderHeads, bits: model.bits, groups: model.groups,
                layerScale: Float(model.layerScale),
                alignment: losses.alignment > 0 ? .init(kind: alignment.studentHead, outputs: alignment.teacherWidth) : nil),
            decoder: DecoderConfiguration(
                channels: model.channels, multipliers: model.channelMultipliers, residualBlocks: model.residualBlocks,
                blocks: model.attentionBlocks, heads: model.decoderHeads, bits: model.bits, groups: model.groups,
                layerScale: Float(model.layerScale)),
            recovery: losses.sourceRecovery > 0
                ? SourceRecoveryConfiguration(
                    width: model.sourceRecovery.width, heads: model.sourceRecovery.heads,
                    crossAttentionBlocks: model.sourceRecovery.crossAttentionBlocks,
                    selfAttentionBlocks: model.sourceRecovery.selfAttentionBlocks) : nil,
            keptTokens: KeptTokenDistribution(shape: merging.distribution, target: merging.keptTokens, count: merging.candidates),
            schedule: merging.schedule)
    }

    /// The weights of the losses that need nothing but the tokenizer.
    public var lossWeights: TokenizerLossWeights {
        var weights = TokenizerLossWeights(
            reconstruction: Float(losses.reconstruction), entropy: Float(losses.entropy), commitment: Float(losses.commitment),
            sourceRecovery: Float(losses.sourceRecovery))
        weights.reconstructionNorm = losses.reconstructionNorm
        weights.entropyGroupBits = losses.entropyGroupBits
        weights.recoveryLoss = losses.sourceRecoveryLoss
        weights.recoveryTrainsEncoder = losses.sourceRecoveryTrainsEncoder
        return weights
    }

    /// The same without the losses that need another network (perceptual, adversarial, alignment), and so without alignment head, discriminator
    /// and teacher: what the published sizes and times of tokenizers count.
    public var tokenizerLossesOnly: RunConfiguration {
        var result = self
        result.losses.perceptual = 0
        result.losses.adversarial = 0
        result.losses.alignment = 0
        return result
    }

    /// All of stage 1.
    public var stageOne: StageOneConfiguration {
        var all = StageOneLosses()
        all.tokenizer = lossWeights
        all.perceptual = Float(losses.perceptual)
        all.adversarial = Float(losses.adversarial)
        all.adaptive = losses.adaptive
        all.adversarialForm = AdversarialLoss(generator: losses.generatorLoss, lecamWeight: Float(losses.lecam))
        all.alignment = Float(losses.alignment)
        switch losses.alignmentLoss {
        case .divergence: all.alignmentForm = .standard
        case .cosine: all.alignmentForm = .cosine
        case .distillation: all.alignmentForm = .distillation(teacherTemperature: 0.07, studentTemperature: 0.1)
        }
        all.viewMerging = alignment.viewMerging
        return StageOneConfiguration(
            tokenizer: tokenizer, losses: all,
            discriminator: PatchDiscriminatorConfiguration(channels: discriminator.channels, layers: discriminator.layers),
            perceptualWidth: perceptual.channels,
            teacher: VisionTransformerConfiguration(
                patchSize: alignment.teacherPatchSize, width: alignment.teacherWidth, blocks: alignment.teacherBlocks,
                heads: alignment.teacherHeads, grid: alignment.teacherGrid))
    }
}

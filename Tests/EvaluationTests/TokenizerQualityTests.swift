import Evaluation
import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

/// Measures of a tokenizer that is not trained.
@Suite struct TokenizerQualityTests {
    private static let configuration = TokenizerConfiguration(
        imageSize: 16,
        encoder: EncoderConfiguration(
            stem: .convolutional(channels: 8, multipliers: [1, 2], residualBlocks: 1), blocks: 2, heads: 2, bits: 3, groups: 4, layerScale: 0.1),
        decoder: DecoderConfiguration(
            channels: 8, multipliers: [1, 2], residualBlocks: 1, blocks: 2, heads: 2, bits: 3, groups: 4, layerScale: 0.1),
        recovery: SourceRecoveryConfiguration(width: 16, heads: 2, crossAttentionBlocks: 1, selfAttentionBlocks: 1),
        keptTokens: KeptTokenDistribution(shape: .gaussian, target: 36, count: 2), schedule: .linear)
    private let pool = ThreadPool(threads: 2)

    @Test func accuraciesByHand() throws {
        var accuracy = SourceRecoveryAccuracy()
        #expect(accuracy.ownerAccuracy == nil && accuracy.codeAccuracy == nil)
        // Two images of three positions and two tokens. In the first the tokens have one code: every owner is as good as another.
        accuracy.add(predicted: [0, 0, 1, 0, 1, 1], owners: [0, 1, 1, 0, 0, 1], codes: [5, 5, 5, 6], kept: 2)
        #expect(accuracy.positions == 6)
        #expect(accuracy.ownerAccuracy == 4.0 / 6)
        #expect(accuracy.codeAccuracy == 5.0 / 6)
        // A third image, with the tokens of the second: nothing right.
        accuracy.add(predicted: [1, 1, 1], owners: [0, 0, 0], codes: [5, 6], kept: 2)
        #expect(accuracy.ownerAccuracy == 4.0 / 9 && accuracy.codeAccuracy == 5.0 / 9)
    }

    /// Against a pass of the parts one by one.
    @Test func measuresArePartsPutTogether() throws {
        let (tokenizer, layout) = Tokenizer.build(Self.configuration)
        let weights = layout.initialWeights(seed: 2)
        let images = randomTensor([3, 16, 16, 3], key: "images")
        let (kept, length) = (36, 64)
        var quality = TokenizerQuality(tokenizer, weights: weights, kept: kept, pool: pool)
        let outcome = try quality.add(images)

        let graph = Graph(weights: weights, pool: pool)
        let pass = tokenizer(graph.constant(images), kept: kept)
        let recovery = try #require(tokenizer.recovery)
        let scores = recovery(pass.codes.z).value.elements
        let predicted = (0..<(3 * length)).map { position in
            let row = Array(scores[(position * kept)..<((position + 1) * kept)])
            return Int32(row.firstIndex(of: row.max() ?? 0) ?? 0)
        }
        #expect(outcome.owners == pass.owners)
        let isTheDecodersImage = outcome.reconstruction.elements == pass.image.value.elements
        #expect(isTheDecodersImage)
        let map = pass.codes.z.recovered(owners: predicted).reshaped([3, 8, 8, 3])
        let isDecodedFromThePrediction = outcome.predicted?.elements == tokenizer.decoder(map).value.elements
        #expect(isDecodedFromThePrediction)
        var plain = ReconstructionQuality(pool: pool)
        try plain.add(pass.image.value, of: images)
        #expect(quality.reconstruction.images == plain.images && quality.predicted.images.count == 3)
        #expect(quality.predicted.images != plain.images)
        #expect(quality.codes.tokens == 3 * kept && quality.recovery.positions == 3 * length)
        let right = zip(predicted, pass.owners).count { $0 == $1 }
        #expect(quality.recovery.ownerAccuracy == Double(right) / Double(3 * length))
        #expect((quality.recovery.codeAccuracy ?? 0) > (quality.recovery.ownerAccuracy ?? 1), "codes of 3 bits: many tokens share one")
    }

    @Test func withoutSourceRecoveryNothingIsPredicted() throws {
        var configuration = Self.configuration
        configuration.recovery = nil
        let (tokenizer, layout) = Tokenizer.build(configuration)
        var quality = TokenizerQuality(tokenizer, weights: layout.initialWeights(seed: 2), kept: 36, pool: pool)
        let outcome = try quality.add(randomTensor([1, 16, 16, 3], key: "images"))
        #expect(outcome.predicted == nil && quality.predicted.images.isEmpty && quality.recovery.ownerAccuracy == nil)
        #expect(quality.reconstruction.images.count == 1)
    }

    @Test func tooSmallForSSIM() throws {
        var quality = ReconstructionQuality(pool: pool)
        try quality.add(randomTensor([1, 6, 9, 3], key: "a"), of: randomTensor([1, 6, 9, 3], key: "b"))
        #expect(quality.ssim == nil && quality.psnr != nil)
    }
}

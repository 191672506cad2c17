import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

/// The configuration of spec 14, column G+R-tiny.
let grTiny = TokenizerConfiguration(
    imageSize: 64,
    encoder: EncoderConfiguration(
        stem: .convolutional(channels: 16, multipliers: [1, 2, 4, 8], residualBlocks: 1), blocks: 4, heads: 4, bits: 10, groups: 8,
        layerScale: 0.1),
    decoder: DecoderConfiguration(
        channels: 16, multipliers: [1, 2, 4, 8], residualBlocks: 1, blocks: 4, heads: 4, bits: 10, groups: 8, layerScale: 0.1),
    recovery: SourceRecoveryConfiguration(width: 64, heads: 4, crossAttentionBlocks: 1, selfAttentionBlocks: 1),
    keptTokens: KeptTokenDistribution(shape: .gaussian, target: 36, count: 4), schedule: .linear)

@Suite struct TokenizerTests {
    /// Spec 14, rows 10, 11 and 16.
    @Test func parameterCountsOfTheTinyModel() {
        let (_, layout) = Tokenizer.build(grTiny)
        func count(_ prefix: String) -> Int { layout.parameters.filter { $0.name.hasPrefix(prefix) }.reduce(0) { $0 + $1.count } }
        #expect(count("encoder.") == 1_151_114)
        #expect(count("decoder.") == 2_450_739)
        #expect(count("source_recovery.") == 109_056)
    }

    /// Spec 2.5: every position has one owner, sizes count the positions, and both add up.
    @Test(arguments: [25, 36, 49, 64])
    func ownerMapInvariants(_ kept: Int) {
        let (tokenizer, layout) = Tokenizer.build(grTiny)
        let graph = Graph(weights: layout.initialWeights(seed: 1), pool: ThreadPool(threads: 1))
        let images = graph.constant(randomTensor([2, 64, 64, 3], key: "images"))
        let counts = grTiny.schedule.mergeCounts(length: 64, kept: kept, layers: 4)
        let sequence = tokenizer.encoder(images, mergeCounts: counts)
        #expect(sequence.length == kept + 1)
        for image in 0..<2 {
            let owners = sequence.imageOwners[(image * 64)..<((image + 1) * 64)]
            #expect(owners.allSatisfy { (0..<Int32(kept)).contains($0) })
            if let sizes = sequence.sizes?.elements {
                #expect(sizes[image * (kept + 1)] == 1, "the class token is never merged")
                for token in 0..<kept {
                    #expect(Int(sizes[image * (kept + 1) + 1 + token]) == owners.filter { $0 == Int32(token) }.count)
                }
            } else {
                #expect(Array(owners) == (0..<64).map(Int32.init), "nothing merged: every position owns itself")
            }
        }
        let pass = tokenizer(images, kept: kept)
        #expect(pass.image.shape == [2, 64, 64, 3] && pass.y.shape == [2, kept, 10])
        #expect(pass.image.value.isFinite)
    }

    /// The gradient of the whole loss against a central difference, in a direction that changes the decoder only (the encoder's would flip
    /// merge decisions and signs).
    @Test func gradientOfTheWholeLoss() throws {
        let (tokenizer, layout) = Tokenizer.build(grTiny)
        let weights = layout.initialWeights(seed: 2)
        let images = randomTensor([2, 64, 64, 3], key: "images")
        let pool = ThreadPool(threads: 1)
        func loss(_ weights: Tensor, _ gradients: Tensor?) -> Float {
            let graph = Graph(weights: weights, gradients: gradients, pool: pool)
            let loss = tokenizer.loss(
                of: tokenizer(graph.constant(images), kept: 36), images: images, weights: TokenizerLossWeights())
            if gradients != nil { graph.backward(from: loss.total) }
            return loss.terms[0]
        }
        let gradients = Tensor(zeros: [layout.count])
        _ = loss(weights, gradients)
        #expect(gradients.isFinite)
        for name in ["decoder.conv_out.weight", "decoder.up.3.block.0.conv1.weight", "source_recovery.rec_head.weight", "source_recovery.rec_tokens"] {
            let parameter = try #require(layout.parameter(named: name))
            let gradient = parameter.official(from: gradients)
            // Along the gradient itself, so that the change stands out of the round-off.
            let norm = gradient.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
            func moved(_ sign: Double) -> Double {
                let copy = weights.copied()
                let values = parameter.official(from: weights)
                parameter.setOfficial(zip(values, gradient).map { $0 + Float(sign * 0.02 / norm) * $1 }, in: copy)
                return Double(loss(copy, nil))
            }
            let numeric = (moved(1) - moved(-1)) / 0.04
            #expect(abs(numeric - norm) < 0.05 * norm + 1e-4, "\(name): difference \(numeric), gradient \(norm)")
        }
    }

    /// Zero gradient reaches no parameter that should learn.
    @Test func everyParameterGetsAGradient() {
        let (tokenizer, layout) = Tokenizer.build(grTiny)
        let gradients = Tensor(zeros: [layout.count])
        let graph = Graph(weights: layout.initialWeights(seed: 2), gradients: gradients, pool: ThreadPool(threads: 1))
        let images = randomTensor([2, 64, 64, 3], key: "images")
        let loss = tokenizer.loss(of: tokenizer(graph.constant(images), kept: 25), images: images, weights: TokenizerLossWeights())
        graph.backward(from: loss.total)
        for parameter in layout.parameters {
            #expect(parameter.official(from: gradients).contains { $0 != 0 }, "\(parameter.name) got no gradient")
        }
    }
}

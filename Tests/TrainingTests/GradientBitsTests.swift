import MergeVQ
import NeuralNet
import TensorCore
import Testing
import Training

/// A training pass gives the same bytes whatever it runs on and whatever it computes twice.
@Suite struct GradientBitsTests {
    /// Output, loss terms and gradients of a pass over two images, bit by bit.
    private func pass(_ preset: ReducedPreset, threads: Int, recompute: Recomputation = .none) throws -> [[UInt32]] {
        let configuration = try preset.configuration(recompute: recompute)
        let (tokenizer, layout) = Tokenizer.build(configuration.tokenizer)
        let size = configuration.model.imageSize
        let images = noise(2 * size * size * 3, key: "images").reshaped([2, size, size, 3])
        let gradients = Tensor(zeros: [layout.count])
        let graph = Graph(
            weights: layout.initialWeights(seed: 3), gradients: gradients, recomputation: recompute, pool: ThreadPool(threads: threads))
        let result = tokenizer(graph.constant(images), kept: 36)
        let loss = tokenizer.loss(of: result, images: images, weights: configuration.lossWeights)
        graph.backward(from: loss.total)
        #expect(gradients.isFinite)
        return [bits(result.image.value), loss.terms.map(\.bitPattern), bits(gradients)]
    }

    @Test(arguments: ReducedPreset.allCases)
    func threadsAndRecomputationMoveNoBit(_ preset: ReducedPreset) throws {
        let expected = try pass(preset, threads: 1)
        #expect(expected[2].count { $0 != 0 } > expected[2].count * 9 / 10, "gradients reach the whole model")
        for threads in [2, 3, 4] { #expect(try pass(preset, threads: threads) == expected, "\(threads) threads") }
        for threads in [1, 2] { #expect(try pass(preset, threads: threads, recompute: .blocks) == expected, "recomputed by \(threads) threads") }
    }
}

import Foundation
import Generators
import NeuralNet
import TensorCore
import TestKit
import Testing

/// What holds for every generator, whatever its weights.
@Suite struct GeneratorTests {
    private func images(_ configuration: GeneratorConfiguration, count: Int = 2) -> Generator.Images {
        let random = Philox(seed: 1, domain: "images")
        func draw(_ what: Int, below: Int, count: Int) -> [Int32] { (0..<count).map { Int32(random.integer(below: below, sample: what, draw: $0)) } }
        return Generator.Images(
            classes: draw(0, below: configuration.classes, count: count),
            pre: draw(1, below: configuration.preCodes, count: count * configuration.cells),
            post: draw(2, below: configuration.postCodes, count: count * configuration.cells),
            mergeIDs: configuration.mergeIDs > 0 ? (0..<count).map { Float($0 % configuration.mergeIDs) } : [])
    }

    /// Weights of which the heads are not zero.
    private func weights(_ layout: ParameterLayout) -> Tensor {
        let weights = layout.initialWeights(seed: 3)
        for name in ["head.0.weight", "head.1.weight"] {
            guard let head = layout.parameter(named: name) else { continue }
            head.setOfficial(randomTensor(head.shape, key: name, scale: 0.2).elements, in: weights)
        }
        return weights
    }

    /// Heads start at zero: every code is as likely as any other, with and without smoothing.
    @Test(arguments: [Float(0), 0.1])
    func initialLossIsThatOfAGuess(_ smoothing: Float) {
        var configuration = GeneratorConfiguration.tiny
        (configuration.preBits, configuration.postBits, configuration.labelSmoothing) = (6, 12, smoothing)
        let (generator, layout) = Generator.build(configuration)
        let pass = generator(images(configuration), in: Graph(weights: layout.initialWeights(seed: 0), pool: ThreadPool(threads: 2)))
        #expect(abs(Double(pass.loss.total.value.scalar) - 18 * log(2)) < 2e-6)
        #expect(abs(pass.loss.negativeLogLikelihood - 18 * log(2)) < 2e-6)
    }

    /// The scores of a code depend on the codes before it, and those of its second part on its first, but on nothing that comes later.
    @Test(arguments: [0, 3]) func nothingSeesWhatComesLater(_ mergeIDs: Int) {
        var configuration = GeneratorConfiguration.tiny
        configuration.mergeIDs = mergeIDs
        let (generator, layout) = Generator.build(configuration)
        let graph = Graph(weights: weights(layout), pool: ThreadPool(threads: 1))
        let first = images(configuration, count: 1)
        let place = 5
        func changed(_ codes: [Int32]) -> [Int32] { codes.enumerated().map { $0.offset == place ? ($0.element + 1) % 8 : $0.element } }
        func scores(pre: [Int32], post: [Int32]) -> (pre: [ArraySlice<Float>], post: [ArraySlice<Float>]) {
            let scores = generator(
                Generator.Images(classes: first.classes, pre: pre, post: post, mergeIDs: first.mergeIDs), in: graph
            ).scores
            func rows(_ x: Variable) -> [ArraySlice<Float>] { (0..<16).map { x.value.elements[($0 * 8)..<($0 * 8 + 8)] } }
            return (rows(scores.pre), rows(scores.post))
        }
        let want = scores(pre: first.pre, post: first.post)
        let otherPre = scores(pre: changed(first.pre), post: first.post)
        let otherPost = scores(pre: first.pre, post: changed(first.post))
        for n in 0..<16 {
            #expect((otherPre.pre[n] == want.pre[n]) == (n <= place), "first part \(n)")
            #expect((otherPre.post[n] == want.post[n]) == (n < place), "second part \(n)")
            #expect((otherPost.pre[n] == want.pre[n]) == (n <= place), "first part \(n)")
            #expect((otherPost.post[n] == want.post[n]) == (n <= place), "second part \(n)")
        }
    }

    @Test(arguments: [Recomputation.none, .blocks])
    func bitsDependNeitherOnThreadsNorOnRecomputation(_ recomputation: Recomputation) {
        // Large enough that every operation has several tiles.
        var configuration = GeneratorConfiguration.tiny
        (configuration.keyValueHeads, configuration.labelSmoothing, configuration.mergeIDs) = (2, 0.1, 3)
        (configuration.width, configuration.grid) = (256, 8)
        let (generator, layout) = Generator.build(configuration)
        let weights = weights(layout)
        func run(_ threads: Int, _ recomputation: Recomputation) -> [UInt32] {
            let pool = ThreadPool(threads: threads)
            let gradients = Tensor(zeros: [layout.count])
            let graph = Graph(weights: weights, gradients: gradients, recomputation: recomputation, pool: pool)
            let dropout = GeneratorDropout(configuration.dropout, seed: 4, step: 2, samples: [7, 1])
            let pass = generator(images(configuration), dropout: dropout, in: graph)
            let loss = pass.loss.total.value.scalar.bitPattern
            graph.backward(from: pass.loss.total)
            return gradients.elements.map(\.bitPattern) + [loss]
        }
        let want = run(1, .none)
        for threads in 1...4 {
            let isSame = run(threads, recomputation) == want
            #expect(isSame, "\(threads) threads")
        }
    }

    /// A sample's dropout is a function of its number, not of its company, and drops as often as it should.
    @Test func dropoutBelongsToTheSample() {
        var configuration = GeneratorConfiguration.tiny
        configuration.dropout = .init(tokens: 0.3, attention: 0.3, feedForward: 0.3, classes: 0.3)
        let (generator, layout) = Generator.build(configuration)
        let weights = weights(layout)
        let pool = ThreadPool(threads: 1)
        let both = images(configuration)
        func states(_ images: Generator.Images, samples: [Int], step: Int = 0) -> [Float] {
            let dropout = GeneratorDropout(configuration.dropout, seed: 4, step: step, samples: samples)
            return generator(images, dropout: dropout, in: Graph(weights: weights, pool: pool)).scores.pre.value.elements
        }
        let second = Generator.Images(classes: [both.classes[1]], pre: Array(both.pre[16...]), post: Array(both.post[16...]))
        let (pair, alone) = (states(both, samples: [3, 9]), states(second, samples: [9]))
        let distance = zip(pair[(pair.count / 2)...], alone).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
        #expect(distance < 1e-5)
        let (otherStep, otherSample) = (states(second, samples: [9], step: 1) != alone, states(second, samples: [8]) != alone)
        #expect(otherStep && otherSample)

        let dropout = GeneratorDropout(configuration.dropout, seed: 4, step: 0, samples: Array(0..<4000))
        let labels = dropout.applied(to: [Int32](repeating: 5, count: 4000), nullClass: 10)
        #expect(labels.allSatisfy { $0 == 5 || $0 == 10 })
        // 1200 ± 29 expected; five deviations allowed.
        #expect(abs(labels.count { $0 == 10 } - 1200) < 145)
        let ones = Graph(weights: Tensor(zeros: [0]), pool: pool).constant(Tensor(filledWith: 1, [4000, 1, 25]))
        let kept = dropout.dropping(.tokens, of: ones).value.elements
        #expect(abs(kept.count { $0 == 0 } - 30_000) < 725)
        #expect(kept.allSatisfy { $0 == 0 || abs($0 - 1 / 0.7) < 1e-6 })
    }
}

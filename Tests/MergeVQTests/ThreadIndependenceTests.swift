import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

/// The parts of the model that cut their own work: the same bits for any number of threads.
@Suite struct ThreadIndependenceTests {
    private func sameForAllThreads(_ what: String, _ body: (Graph) -> (value: Variable, input: Variable)) throws {
        func run(_ threads: Int) throws -> [[UInt32]] {
            let graph = Graph(weights: Tensor(zeros: [0]), gradients: Tensor(zeros: [0]), pool: ThreadPool(threads: threads))
            let (value, input) = body(graph)
            let result = value.value.elements
            graph.backward(from: value)
            return [result, try #require(input.gradient).elements].map { $0.map(\.bitPattern) }
        }
        let want = try run(1)
        for threads in 2...4 { #expect(try run(threads) == want, "\(what) with \(threads) threads") }
    }

    @Test(arguments: [1, 7, 18])
    func entropies(_ bits: Int) throws {
        let entropy = LookupFreeQuantizer(bits: bits).entropy
        let y = randomTensor([2, 41, bits], key: "y", scale: 0.01)
        try sameForAllThreads("batch entropy") { graph in
            let input = graph.input(y)
            return (entropy.batch(input), input)
        }
        try sameForAllThreads("per-sample entropy") { graph in
            let input = graph.input(y)
            return (entropy.perSample(input), input)
        }
    }

    @Test func merging() throws {
        let (tokens, metric) = (randomTensor([2, 301, 8], key: "tokens"), randomTensor([2, 301, 16], key: "metric"))
        try sameForAllThreads("merged tokens") { graph in
            let input = graph.input(tokens)
            var sequence = TokenSequence(input)
            sequence.merge(90, metric: metric)
            return (sequence.tokens, input)
        }
    }

    @Test func scores() throws {
        let (q, k) = (randomTensor([1, 257, 24], key: "q"), randomTensor([1, 300, 24], key: "k"))
        try sameForAllThreads("scores") { graph in
            let input = graph.input(q)
            return (input.scores(against: graph.input(k), factor: 0.2), input)
        }
    }

    @Test func selfAttention() throws {
        let (x, sizes) = (randomTensor([1, 800, 96], key: "qkv"), randomTensor([1, 800], key: "sizes"))
        try sameForAllThreads("self-attention") { graph in
            let input = graph.input(x)
            return (input.selfAttention(heads: 4, keyBias: sizes), input)
        }
    }
}

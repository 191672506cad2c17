import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

/// The model's own differentiable operations against central differences.
@Suite struct ModelOperationGradientTests {
    @Test func mergedTokens() {
        // Two merges by given tables (spec 13): the second weights by the sizes that the first left.
        checkGradient(of: [randomTensor([1, 7, 3], key: "x")], named: "merged") {
            var sequence = TokenSequence($0[0])
            sequence.apply([0, 2, 2, 3, 3, 4, 1], newLength: 5)
            sequence.apply([0, 2, 1, 3, 2], newLength: 4)
            return sequence.tokens
        }
    }

    @Test func recoveredTokens() {
        checkGradient(of: [randomTensor([2, 3, 4], key: "z")], named: "recovered") {
            $0[0].recovered(owners: [0, 2, 1, 1, 0, 2, 2, 2, 0, 1])
        }
    }

    @Test func spatialMoments() {
        let style = randomTensor([2, 3, 4, 5], key: "style")
        checkGradient(of: [style], named: "spatial mean") { SpatialMoments($0[0]).mean }
        checkGradient(of: [style], named: "spatial deviation") { SpatialMoments($0[0]).deviation }
    }

    /// With τ = 1 the entropies are smooth enough for differences; the temperature only scales their argument.
    @Test(arguments: [1, 2, 5])
    func entropies(_ bits: Int) {
        let entropy = LookupFreeQuantizer(bits: bits, temperature: 1).entropy
        let y = randomTensor([2, 6, bits], key: "y")
        checkGradient(of: [y], named: "per-sample entropy", step: 3e-3) { entropy.perSample($0[0]) }
        checkGradient(of: [y], named: "batch entropy", step: 3e-3) { entropy.batch($0[0]) }
        checkGradient(of: [y], named: "grouped batch entropy", step: 3e-3) { entropy.batch($0[0], groupBits: 2) }
        let graph = Graph(weights: Tensor(zeros: [0]), pool: ThreadPool(threads: 1))
        let (joint, grouped, whole) = (entropy.batch(graph.input(y)), entropy.batch(graph.input(y), groupBits: 2), entropy.batch(graph.input(y), groupBits: bits))
        #expect(joint.value.scalar <= grouped.value.scalar + 1e-4 && whole.value.scalar == joint.value.scalar)
    }

    /// Away from zero, where the sign jumps.
    @Test func commitment() {
        let y = Tensor(randomTensor([2, 4, 3], key: "y").elements.map { $0 < 0 ? $0 - 0.1 : $0 + 0.1 }, [2, 4, 3])
        checkGradient(of: [y], named: "commitment") { LookupFreeQuantizer(bits: 3).commitment($0[0]) }
    }

    /// The quantiser's gradient is passed straight through by definition, not the derivative of the sign.
    @Test func straightThrough() throws {
        let graph = Graph(weights: Tensor(zeros: [0]), gradients: Tensor(zeros: [0]), pool: ThreadPool(threads: 1))
        let y = graph.input(randomTensor([1, 4, 3], key: "y"))
        let seed = randomTensor([1, 4, 3], key: "seed")
        graph.backward(from: LookupFreeQuantizer(bits: 3)(y).z, seed: seed)
        #expect(try #require(y.gradient).elements == seed.elements)
    }
}

import NeuralNet
import TensorCore
import TestKit
import Testing

/// What a graph keeps for the backward pass, and what it makes again.
@Suite struct RecomputationTests {
    private let pool = ThreadPool(threads: 2)
    private let weights = randomTensor([4 * 4 + 4], key: "weights")

    /// A linear layer with SiLU whose runs are counted.
    private final class Layer {
        let linear: Linear
        let layout: ParameterLayout
        var runs = 0

        init() { (linear, layout) = ParameterLayout.build { Linear($0, inputs: 4, outputs: 4) } }

        func callAsFunction(_ x: Variable) -> Variable {
            runs += 1
            return linear(x).silu()
        }
    }

    private func graph(_ gradients: Tensor, _ recomputation: Recomputation = .none) -> Graph {
        Graph(weights: weights, gradients: gradients, recomputation: recomputation, pool: pool)
    }

    private func bits(_ tensor: Tensor?) -> [UInt32] { tensor?.elements.map(\.bitPattern) ?? [] }

    /// The gradients of x and of the weights, and how often the layer ran: `value ⊕ value·value…` with every way to use a value twice.
    private func gradients(_ recomputation: Recomputation, _ body: (Layer, Graph, Variable) -> Variable) -> (bits: [[UInt32]], runs: Int) {
        let layer = Layer()
        let sink = Tensor(zeros: weights.shape)
        let graph = self.graph(sink, recomputation)
        let x = graph.input(randomTensor([3, 4], key: "x"))
        let y = body(layer, graph, x)
        graph.backward(from: y, seed: randomTensor(y.shape, key: "seed"))
        return ([bits(y.value), bits(sink), bits(x.gradient)], layer.runs)
    }

    @Test func aRematerialisedValueIsMadeAgainForItsUsersBackwardPass() {
        let plain = gradients(.none) { layer, _, x in layer.linear(layer(x)) }
        let again = gradients(.none) { layer, graph, x in layer.linear(graph.rematerialised { layer(x) }) }
        #expect(plain.bits == again.bits && plain.runs == 1 && again.runs == 2)
    }

    /// From its statistics, which are not taken twice.
    @Test func aGroupNormIsMadeAgainFromItsStatistics() {
        func body(_ layer: Layer, _ graph: Graph, _ x: Variable, _ keep: (@escaping () -> Variable) -> Variable) -> Variable {
            let (gain, bias) = (graph.input(randomTensor([4], key: "gain")), graph.input(randomTensor([4], key: "bias")))
            return layer(keep { x.groupNormalised(groups: 2, gain: gain, bias: bias, epsilon: 1e-6, silu: true) })
        }
        let plain = gradients(.none) { layer, graph, x in body(layer, graph, x) { $0() } }
        let again = gradients(.none) { layer, graph, x in body(layer, graph, x) { graph.rematerialised($0) } }
        #expect(plain.bits == again.bits && again.bits[1].contains { $0 != 0 })
    }

    /// Whoever comes after the first user makes the value again too, in either direction.
    @Test func aRematerialisedValueMayBeUsedTwice() {
        let plain = gradients(.none) { layer, _, x in
            let y = layer(x)
            return layer.linear(y).addingScaled(y + y, gain: y.graph.input(randomTensor([4], key: "gain")))
        }
        let again = gradients(.none) { layer, graph, x in
            let y = graph.rematerialised { layer(x) }
            return layer.linear(y).addingScaled(y + y, gain: graph.input(randomTensor([4], key: "gain")))
        }
        #expect(plain.bits == again.bits)
        #expect(again.runs > 2)
    }

    @Test func aSumAsksForNoValues() {
        let (_, runs) = gradients(.none) { layer, graph, x in graph.rematerialised { layer(x) } + x }
        #expect(runs == 1)
    }

    @Test func aBlockRunsTwiceWithTheSameBits() {
        func body(_ layer: Layer, _ graph: Graph, _ x: Variable) -> Variable {
            // x is used by the block in two ways, and the block's result by another block.
            let y = graph.block(x) { inputs in layer(graph.rematerialised { inputs[0].layerNormalised(gain: graph.input(randomTensor([4], key: "g")), bias: graph.input(randomTensor([4], key: "b")), epsilon: 1e-5) }) + inputs[0] }
            return graph.block(y, x.scaled(by: 2)) { inputs in layer(inputs[0]) + inputs[1] }
        }
        let none = gradients(.none, body)
        let blocks = gradients(.blocks, body)
        #expect(none.bits == blocks.bits && none.runs == 2 && blocks.runs == 4)
    }

    @Test func withoutGradientsNothingRunsTwice() {
        let layer = Layer()
        let graph = Graph(weights: weights, recomputation: .blocks, pool: pool)
        let x = graph.constant(randomTensor([3, 4], key: "x"))
        let y = graph.block(x) { inputs in layer(graph.rematerialised { layer(inputs[0]) }) }
        #expect(layer.runs == 2 && y.gradient == nil && !y.needsGradient)
    }

    /// Which values are still in memory after the forward pass.
    @Test(arguments: [Recomputation.none, .blocks])
    func onlyWhatTheBackwardPassNeedsIsKept(_ recomputation: Recomputation) {
        let (linear, layout) = ParameterLayout.build { Linear($0, inputs: 4, outputs: 4) }
        let graph = Graph(weights: Tensor(zeros: [layout.count]), gradients: Tensor(zeros: [layout.count]), recomputation: recomputation, pool: pool)
        weak var normalised: Storage?
        weak var projected: Storage?
        weak var summed: Storage?
        weak var input: Storage?
        let result = {
            let x = graph.input(randomTensor([300, 4], key: "x"))
            input = x.value.storage
            return graph.block(x) { inputs in
                let y = graph.rematerialised {
                    let y = inputs[0].silu()
                    normalised = y.value.storage
                    return y
                }
                let z = linear(y)
                projected = z.value.storage
                let sum = z + inputs[0]
                summed = sum.value.storage
                return linear(sum)
            }
        }()
        #expect(input != nil)
        #expect(normalised == nil, "a rematerialised value goes after its use")
        #expect(projected == nil, "the backward pass of a sum needs no terms")
        #expect((summed == nil) == (recomputation == .blocks), "a product's backward pass needs the factor, a block's only the block's input")
        graph.backward(from: result)
        #expect(input == nil && summed == nil, "the walk back forgets")
    }

    /// Frozen parameters pass gradients on and get none, also where values are made a second time after `frozen` has ended.
    @Test(arguments: Recomputation.allCases) func frozenParametersAreConstants(_ recomputation: Recomputation) {
        let layer = Layer()
        let other = randomTensor(weights.shape, key: "other weights")
        func gradient(_ body: (Graph, Variable) -> Variable) -> (x: [UInt32], parameters: [Float]) {
            let sink = Tensor(zeros: weights.shape)
            let graph = Graph(weights: weights, gradients: sink, recomputation: recomputation, pool: pool)
            let x = graph.input(randomTensor([3, 4], key: "x"))
            graph.backward(from: body(graph, x), seed: randomTensor([3, 4], key: "seed"))
            return (bits(x.gradient), sink.elements)
        }
        let free = gradient { _, x in layer(layer(x)) }
        let frozen = gradient { graph, x in graph.frozen { layer(layer(x)) } }
        #expect(frozen.x == free.x && frozen.parameters.allSatisfy { $0 == 0 } && free.parameters.contains { $0 != 0 })
        let borrowed = gradient { graph, x in
            graph.frozen(other) { graph.block(x) { inputs in layer(graph.rematerialised { layer(inputs[0]) }) } }
        }
        let owned = Graph(weights: other, gradients: Tensor(zeros: weights.shape), pool: pool)
        let x = owned.input(randomTensor([3, 4], key: "x"))
        owned.backward(from: layer(layer(x)), seed: randomTensor([3, 4], key: "seed"))
        #expect(borrowed.x == bits(x.gradient) && borrowed.parameters.allSatisfy { $0 == 0 })
    }

    /// A training graph that is dropped without a backward pass leaves nothing behind.
    @Test(arguments: Recomputation.allCases) func aForgottenForwardPassIsFreed(_ recomputation: Recomputation) {
        weak var kept: Storage?
        weak var dropped: Graph?
        do {
            let graph = self.graph(Tensor(zeros: weights.shape), recomputation)
            dropped = graph
            let layer = Layer()
            let x = graph.input(randomTensor([3, 4], key: "x"))
            kept = x.value.storage
            _ = graph.block(x) { inputs in layer(graph.rematerialised { layer(inputs[0]) }) }
        }
        #expect(kept == nil && dropped == nil)
    }
}

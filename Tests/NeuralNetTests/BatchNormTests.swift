import NeuralNet
import TensorCore
import TestKit
import Testing

/// Batch norm and leaky ReLU in the graph, and the layer's two ways of use.
@Suite struct BatchNormTests {
    private let inputs = [randomTensor([2, 4, 3, 5], key: "x"), randomTensor([5], key: "gain"), randomTensor([5], key: "bias")]

    /// Gradients pass through the batch's own statistics. With the leaky ReLU steps are small, for its kink.
    @Test(arguments: [(Float(1), Float(1e-2)), (0.2, 3e-3)])
    func gradientsInTraining(_ slope: Float, _ step: Float) {
        checkGradient(of: inputs, named: "batch norm", step: step) {
            $0[0].batchNormalised($0[0].batchStatistics(), gain: $0[1], bias: $0[2], epsilon: 1e-5, slope: slope)
        }
    }

    @Test(arguments: [(Float(1), Float(1e-2)), (0.2, 3e-3)])
    func gradientsInEvaluation(_ slope: Float, _ step: Float) {
        checkGradient(of: inputs, named: "batch norm with given statistics", step: step) {
            $0[0].batchNormalised(
                means: [0.1, 0, -0.2, 0.3, 1], variances: [1, 0.5, 2, 0.1, 1], gain: $0[1], bias: $0[2], epsilon: 1e-5, slope: slope)
        }
    }

    /// Away from zero, where the derivative jumps.
    @Test func leakyReLU() {
        let x = Tensor(randomTensor([3, 7], key: "x").elements.map { $0 < 0 ? $0 - 0.1 : $0 + 0.1 }, [3, 7])
        checkGradient(of: [x], named: "leaky ReLU") { $0[0].leakyReLU(slope: 0.2) }
    }

    private func layer() -> (BatchNorm2D, ParameterLayout) {
        ParameterLayout.build { BatchNorm2D($0 / "disc" / "main" / 3, channels: 5, slope: 0.2) }
    }

    @Test func layerHasTheOfficialNamesAndStart() throws {
        let (norm, layout) = layer()
        #expect(layout.parameters.map(\.name) == ["disc.main.3.weight", "disc.main.3.bias"])
        #expect(norm.name == "disc.main.3" && norm.channels == 5)
        let (_, wide) = ParameterLayout.build { BatchNorm2D($0, channels: 10_000) }
        let weights = wide.initialWeights(seed: 3).elements
        let gains = weights[..<10_000].map(Double.init)
        let mean = gains.reduce(0, +) / 10_000
        let deviation = (gains.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 10_000).squareRoot()
        #expect(abs(mean - 1) < 1e-3 && abs(deviation - 0.02) < 1e-3)
        #expect(weights[10_000...].allSatisfy { $0 == 0 })
    }

    /// In evaluation with the batch's own statistics the layer does what it does in training.
    @Test func bothUsesAgree() {
        let (norm, layout) = layer()
        let graph = Graph(weights: layout.initialWeights(seed: 1), pool: ThreadPool(threads: 1))
        let (output, statistics) = norm(graph.constant(inputs[0]))
        let evaluated = norm(
            graph.constant(inputs[0]), means: statistics.means.map { Float($0) }, variances: statistics.variances.map { Float($0) })
        for (a, b) in zip(output.value.elements, evaluated.value.elements) { #expect(abs(a - b) < 1e-6) }
    }

    /// A layer whose output is made again gives the gradients of one whose output is kept.
    @Test func rematerialisationMovesNoBit() throws {
        let (norm, layout) = layer()
        let weights = layout.initialWeights(seed: 1)
        func run(_ forward: (Graph, Variable) throws -> Variable) rethrows -> [[Float]] {
            let gradients = Tensor(zeros: [layout.count])
            let graph = Graph(weights: weights, gradients: gradients, pool: ThreadPool(threads: 1))
            let x = graph.input(inputs[0])
            let y = try forward(graph, x).leakyReLU(slope: 0.3)
            graph.backward(from: y, seed: randomTensor(y.shape, key: "seed"))
            return [y.value.elements, x.gradient?.elements ?? [], gradients.elements]
        }
        let kept = try run { graph, x in
            let (weight, bias) = (try #require(layout.parameter(named: "disc.main.3.weight")), try #require(layout.parameter(named: "disc.main.3.bias")))
            return x.batchNormalised(x.batchStatistics(), gain: graph[weight], bias: graph[bias], epsilon: 1e-5, slope: 0.2)
        }
        #expect(run { norm($1).output } == kept)
        #expect(kept[1].contains { $0 != 0 } && kept[2].contains { $0 != 0 })
    }
}

import NeuralNet
import TensorCore
import TestKit
import Testing

/// Rectified convolution, maxima, affine map and distance of directions against central differences.
@Suite struct FeatureGradientTests {
    /// Quarters for inputs and weights, and biases between sixteenths: what comes to the kink is at least 0.03 away from it, more than a step moves it.
    @Test(arguments: [1, 2])
    func rectifiedConvolution(_ stride: Int) {
        func quarters(_ shape: Shape, _ key: String) -> Tensor {
            Tensor(randomTensor(shape, key: key).elements.map { ($0 * 4).rounded() / 4 }, shape)
        }
        let bias = Tensor(quarters([4], "b").elements.map { $0 + 0.031_25 }, [4])
        checkGradient(
            of: [quarters([2, 8, 6, 3], "x"), quarters([4, 3, 3, 3], "w"), bias], named: "rectified convolution", step: 1e-3
        ) { $0[0].rectifiedConvolution(weight: $0[1], bias: $0[2], stride: stride, padding: 1) }
    }

    /// The result and the input's gradient are those of the convolution and the rectifier apart, by either algorithm of the convolution.
    @Test(arguments: [3, 16])
    func rectifiedConvolutionWithFrozenWeights(_ channels: Int) throws {
        let (layer, layout) = ParameterLayout.build { RectifiedConvolution($0, inputs: channels, outputs: 16) }
        let weights = layout.initialWeights(seed: 3)
        let gradients = Tensor(zeros: [layout.count])
        let graph = Graph(weights: weights, gradients: gradients, pool: ThreadPool(threads: 1))
        let seed = randomTensor([1, 24, 20, 16], key: "seed")
        func run(frozen: Bool) throws -> [Float] {
            let x = graph.input(randomTensor([1, 24, 20, channels], key: "x"))
            let y = frozen ? graph.frozen { layer(x) } : layer(x)
            let value = y.value.elements
            #expect(value.contains(0) && !value.contains { $0 < 0 })
            graph.backward(from: y, seed: seed)
            return value + (try #require(x.gradient)).elements
        }
        let frozen = try run(frozen: true)
        #expect(gradients.elements.allSatisfy { $0 == 0 })
        #expect(try run(frozen: false) == frozen)
        #expect(layout.parameters.allSatisfy { $0.official(from: gradients).contains { $0 != 0 } })
    }

    /// What the way back through frozen layers needs of a value between them: nothing.
    @Test(arguments: [false, true])
    func onlyLearnedWeightsKeepTheInput(_ frozen: Bool) {
        let (layer, layout) = ParameterLayout.build { RectifiedConvolution($0, inputs: 3, outputs: 4) }
        let graph = Graph(weights: Tensor(zeros: [layout.count]), gradients: Tensor(zeros: [layout.count]), pool: ThreadPool(threads: 1))
        weak var between: Storage?
        let result = {
            let x = graph.input(randomTensor([1, 6, 6, 3], key: "x")).maxPooled()
            between = x.value.storage
            return frozen ? graph.frozen { layer(x) } : layer(x)
        }()
        #expect((between == nil) == frozen)
        graph.backward(from: result)
        #expect(between == nil, "the walk back forgets")
    }

    @Test func maxima() {
        // Levels 0.02 apart, all different, so that no step changes which is the largest.
        let x = Tensor((0..<140).map { Float($0 * 37 % 151) * 0.02 - 1.5 }, [1, 7, 5, 4])
        checkGradient(of: [x], named: "maxima", step: 5e-3) { $0[0].maxPooled() }
    }

    @Test func affineMap() {
        checkGradient(of: [randomTensor([2, 3, 2, 3], key: "x")], named: "affine") {
            $0[0].affine(factor: Tensor([2, -0.5, 3], [3]), offset: Tensor([1, 0, -1], [3]))
        }
    }

    @Test func distanceOfDirections() {
        let target = randomTensor([2, 3, 4, 6], key: "target")
        let weights = Tensor([0.5, 0, 1, 2, 0.1, 0.7], [6])
        checkGradient(of: [randomTensor([2, 3, 4, 6], key: "x")], named: "unit distance") {
            $0[0].unitDistance(to: target, weights: weights, epsilon: 1e-10)
        }
        // A large ε is no different.
        checkGradient(of: [randomTensor([2, 3, 4, 6], key: "x")], named: "unit distance, large ε") {
            $0[0].unitDistance(to: target, weights: weights, epsilon: 0.5)
        }
    }
}

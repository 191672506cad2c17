import NeuralNet
import TensorCore
import Testing

@Suite struct ParameterTests {
    private func layout() -> ParameterLayout {
        ParameterLayout.build { scope in
            _ = Convolution2D(scope / "conv", inputs: 2, outputs: 3, bias: true)
            _ = DepthwiseConvolution(scope / "deep", channels: 4)
            _ = Linear(scope / "head" / 0, inputs: 4, outputs: 2)
        }.1
    }

    @Test func namesShapesAndOffsets() {
        let layout = layout()
        #expect(layout.parameters.map(\.name) == ["conv.weight", "conv.bias", "deep.weight", "deep.bias", "head.0.weight", "head.0.bias"])
        #expect(layout.parameters.map(\.officialShape) == [[3, 2, 3, 3], [3], [4, 1, 3, 3], [4], [2, 4], [2]])
        #expect(layout.parameters.map(\.offset) == [0, 54, 57, 93, 97, 105] && layout.count == 107)
    }

    /// Official element (o, i, y, x) of a convolution lies at (o, y, x, i) here; of a depthwise one, (c, 0, y, x) at (y, x, c).
    @Test func officialOrder() throws {
        let layout = layout()
        let vector = Tensor((0..<layout.count).map(Float.init), [layout.count])
        let convolution = try #require(layout.parameter(named: "conv.weight")).official(from: vector)
        #expect(convolution[((2 * 2 + 1) * 3 + 0) * 3 + 2] == Float(((2 * 3 + 0) * 3 + 2) * 2 + 1))
        let deep = try #require(layout.parameter(named: "deep.weight"))
        #expect(deep.official(from: vector)[(3 * 3 + 1) * 3 + 2] == Float(deep.offset + (1 * 3 + 2) * 4 + 3))
    }

    @Test func officialRoundTrip() {
        let layout = layout()
        let weights = layout.initialWeights(seed: 5)
        let copy = Tensor(zeros: [layout.count])
        for parameter in layout.parameters { parameter.setOfficial(parameter.official(from: weights), in: copy) }
        #expect(copy.elements == weights.elements)
    }

    @Test func initialWeightsDependOnSeedAndNameOnly() throws {
        let weights = layout().initialWeights(seed: 5)
        #expect(weights.elements == layout().initialWeights(seed: 5).elements)
        #expect(weights.elements != layout().initialWeights(seed: 6).elements)
        let (_, alone) = ParameterLayout.build { scope in Linear(scope / "head" / 0, inputs: 4, outputs: 2) }
        let here = try #require(layout().parameter(named: "head.0.weight")).official(from: weights)
        #expect(try #require(alone.parameter(named: "head.0.weight")).official(from: alone.initialWeights(seed: 5)) == here)
    }

    @Test func initialisersHaveTheirMoments() {
        let (_, layout) = ParameterLayout.build { scope in
            _ = scope.parameter("normal", [20_000], .normal(deviation: 0.02))
            _ = scope.parameter("uniform", [20_000], .uniform(bound: 0.5))
        }
        let weights = layout.initialWeights(seed: 1).elements
        func moments(_ x: ArraySlice<Float>) -> (mean: Double, deviation: Double) {
            let mean = x.reduce(0.0) { $0 + Double($1) } / Double(x.count)
            return (mean, (x.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(x.count)).squareRoot())
        }
        let normal = moments(weights[..<20_000])
        let uniform = moments(weights[20_000...])
        #expect(abs(normal.mean) < 6e-4 && abs(normal.deviation - 0.02) < 5e-4)
        #expect(abs(uniform.mean) < 1e-2 && abs(uniform.deviation - 0.5 / 3.0.squareRoot()) < 5e-3)
        #expect(weights[20_000...].allSatisfy { abs($0) <= 0.5 })
    }

    @Test func wrongShapesTrapWithBothShapes() async {
        await #expect(processExitsWith: .failure) {
            let graph = Graph(weights: Tensor(zeros: [0]), pool: ThreadPool(threads: 1))
            _ = graph.constant(Tensor(zeros: [2, 3])) + graph.constant(Tensor(zeros: [3, 2]))
        }
    }
}

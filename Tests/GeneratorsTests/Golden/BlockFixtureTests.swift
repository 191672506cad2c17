import Generators
import NeuralNet
import TensorCore
import TestKit
import Testing

/// Fixture 31: RMS norm, feed-forward, and whole blocks up to the paper's width, with causal and merged-token masks.
@Suite(.enabled(if: Fixtures.exist("31_"), Fixtures.skipped))
struct BlockFixtureTests {
    private func compare(_ arrays: FixtureArrays, parameters: Bool = true, _ build: (ParameterScope) -> (Variable) -> Variable) throws {
        let (layer, layout) = ParameterLayout.build(build)
        let gradients = Tensor(zeros: [layout.count])
        let graph = Graph(
            weights: try arrays.hashedWeights(for: layout), gradients: gradients, recomputation: .blocks, pool: ThreadPool(threads: 2))
        let x = graph.input(try arrays.tensor("inputs/x"))
        let y = layer(x)
        try arrays.expect(y.value.elements, near: "outputs/y")
        graph.backward(from: y, seed: try arrays.tensor("inputs/cotangent"))
        try arrays.expectGradient(try #require(x.gradient).elements, near: "grads/x")
        if parameters {
            try arrays.expectGradients(gradients, of: layout, table: "grads/params")
        } else {
            try arrays.expectGradient(gradients.elements, near: "grads/weight")
        }
    }

    @Test(arguments: try FixtureCase.all("31_") { $0.settings.text("kind") == "block" })
    func blocks(_ fixture: FixtureCase) throws {
        let (arrays, settings) = (try fixture.open(), fixture.settings)
        let (width, heads) = (settings.integer("d"), settings.integer("heads"))
        let length = try arrays.shape("inputs/mask")[0]
        let mask = AttentionMask(try arrays.integers("inputs/mask").map { UInt8($0) }, queries: length, keys: length)
        let rotation = RotaryTable(headWidth: width / heads, grid: settings.integer("grid"), prefix: settings.integer("prefix"))
            .rotation(rows: Array(0..<length))
        try compare(arrays) { scope in
            let block = GeneratorBlock(
                scope, width: width, heads: heads, keyValueHeads: settings.integer("kv_heads"), hidden: settings.integer("hidden"))
            return { block($0, rotation: rotation, mask: mask) }
        }
    }

    @Test(arguments: try FixtureCase.all("31_") { $0.settings.text("kind") == "swiglu" })
    func feedForward(_ fixture: FixtureCase) throws {
        let (width, hidden) = (fixture.settings.integer("d"), fixture.settings.integer("hidden"))
        try compare(try fixture.open()) { scope in
            let layer = GatedFeedForward(scope, width: width, hidden: hidden)
            return { layer($0) }
        }
    }

    /// A row of zeros, a tiny and a huge one among them.
    @Test(arguments: try FixtureCase.all("31_") { $0.settings.text("kind") == "rmsnorm" })
    func rmsNorm(_ fixture: FixtureCase) throws {
        let settings = fixture.settings
        try compare(try fixture.open(), parameters: false) { scope in
            let layer = RMSNorm(scope, width: settings.integer("d"), epsilon: Float(settings.double("eps")))
            return { layer($0) }
        }
    }
}

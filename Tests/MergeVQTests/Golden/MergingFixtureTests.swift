import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

/// Fixture 02: sequences of matchings and merges from given metrics, ties and zero rows included.
@Suite(.enabled(if: Fixtures.exist("02_"), Fixtures.skipped))
struct MergingFixtureTests {
    @Test(arguments: try FixtureCase.all("02_"))
    func matchesGoldenTables(_ fixture: FixtureCase) throws {
        #expect(fixture.settings.flag("class_token"), "sequences without class token do not occur in the model")
        let arrays = try fixture.open()
        let graph = Graph(weights: Tensor(zeros: [0]), gradients: Tensor(zeros: [0]), pool: ThreadPool(threads: 1))
        let x = graph.input(try arrays.tensor("inputs/x"))
        var sequence = TokenSequence(x)
        for (step, merges) in fixture.settings.integers("r_list").enumerated() {
            let before = sequence.tables.count
            if arrays.has("inputs/metric\(step)") {
                sequence.merge(merges, metric: try arrays.tensor("inputs/metric\(step)"))
            } else {
                #expect(min(merges, (sequence.length - 1) / 2) <= 0, "step \(step) merges but has no metric")
            }
            guard arrays.has("outputs/step\(step)/x") else { continue }
            try arrays.expect(sequence.tokens.value.elements, near: "outputs/step\(step)/x")
            #expect(sequence.owners.map(Int.init) == (try arrays.integers("outputs/step\(step)/owner_with_cls")))
            if sequence.tables.count > before, arrays.has("outputs/step\(step)/table") {
                #expect(sequence.tables[before].map(Int.init) == (try arrays.integers("outputs/step\(step)/table")))
            }
            if let sizes = sequence.sizes { #expect(sizes.elements == (try arrays.floats("outputs/step\(step)/size"))) }
        }
        #expect(sequence.imageOwners.map(Int.init) == (try arrays.integers("outputs/owner")))
        graph.backward(from: sequence.tokens, seed: try arrays.tensor("inputs/cotangent"))
        try arrays.expectGradient(try #require(x.gradient).elements, near: "grads/x")
    }
}

/// Fixture 03: one block with and without merging, with and without incoming sizes.
@Suite(.enabled(if: Fixtures.exist("03_"), Fixtures.skipped))
struct MergingBlockFixtureTests {
    @Test(arguments: try FixtureCase.all("03_"))
    func matchesGoldenBlock(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let settings = fixture.settings
        #expect(settings.double("ln_eps") == 1e-5, "the model's layer norms have ε 1e-5")
        let (block, layout) = ParameterLayout.build {
            TokenMergingBlock($0, width: settings.integer("D"), heads: settings.integer("heads"), layerScale: 1)
        }
        let gradients = Tensor(zeros: [layout.count])
        let graph = Graph(weights: try arrays.hashedWeights(for: layout), gradients: gradients, pool: ThreadPool(threads: 1))
        let x = graph.input(try arrays.tensor("inputs/x"))
        let sizes = settings.flag("has_size_input") ? try arrays.tensor("inputs/size") : nil
        let result = block(TokenSequence(x, sizes: sizes), merges: settings.integer("r"))
        try arrays.expect(result.tokens.value.elements, near: "outputs/x")
        if arrays.has("outputs/table") { #expect(result.tables[0].map(Int.init) == (try arrays.integers("outputs/table"))) }
        if let sizes = result.sizes { try arrays.expect(sizes.elements, near: "outputs/size") }
        graph.backward(from: result.tokens, seed: try arrays.tensor("inputs/cotangent"))
        try arrays.expectGradient(try #require(x.gradient).elements, near: "grads/x")
        try arrays.expectGradients(gradients, of: layout, table: "grads/params")
    }
}

import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

/// Fixture 35: recovery scores and their cross-entropy, tiny to full width.
@Suite(.enabled(if: Fixtures.exist("35_"), Fixtures.skipped))
struct SourceRecoveryFixtureTests {
    @Test(arguments: try FixtureCase.all("35_") { $0.settings.has("blocks") })
    func matchesGoldenScores(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let settings = fixture.settings
        let blocks = settings.texts("blocks")
        let configuration = SourceRecoveryConfiguration(
            width: settings.integer("D"), heads: settings.integer("heads"),
            crossAttentionBlocks: blocks.prefix { $0 == "cross" }.count, selfAttentionBlocks: blocks.filter { $0 == "self" }.count,
            layerScale: 1, scoreFactor: Float(settings.double("score_scale")))
        let (model, layout) = ParameterLayout.build {
            SourceRecovery($0, configuration, positions: settings.integer("L"), bits: settings.integer("z"))
        }
        #expect(layout.count == settings.integer("params"))
        let gradients = Tensor(zeros: [layout.count])
        let graph = Graph(weights: try arrays.hashedWeights(for: layout), gradients: gradients, pool: ThreadPool(threads: 1))
        let z = graph.input(try arrays.tensor("inputs/z"))
        let scores = model(z)
        try arrays.expect(scores.value.elements, near: "outputs/scores")
        let loss = scores.crossEntropy(targets: try arrays.integers("inputs/owner").map(Int32.init))
        try arrays.expect([loss.value.scalar], near: "outputs/loss_ce")
        graph.backward(from: loss)
        try arrays.expectGradients(gradients, of: layout, table: "grads/loss_ce")
    }
}

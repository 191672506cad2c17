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
        let weights = try arrays.hashedWeights(for: layout)
        let graph = Graph(weights: weights, gradients: gradients, pool: ThreadPool(threads: 1))
        let z = graph.input(try arrays.tensor("inputs/z"))
        let scores = model(z)
        try arrays.expect(scores.value.elements, near: "outputs/scores")
        let loss = scores.crossEntropy(targets: try arrays.integers("inputs/owner").map(Int32.init))
        try arrays.expect([loss.value.scalar], near: "outputs/loss_ce")
        graph.backward(from: loss)
        try arrays.expectGradients(gradients, of: layout, table: "grads/loss_ce")

        // Eq. 9 as printed.
        let again = Graph(weights: weights, gradients: Tensor(zeros: [layout.count]), pool: ThreadPool(threads: 1))
        let zAgain = again.input(try arrays.tensor("inputs/z"))
        let binary = model(zAgain).binaryCrossEntropy(targets: try arrays.integers("inputs/owner").map(Int32.init))
        try arrays.expect([binary.value.scalar], near: "outputs/loss_bce")
        again.backward(from: binary)
        if arrays.has("grads/z_bce") { try arrays.expect(try #require(zAgain.gradient).elements, near: "grads/z_bce") }
    }
}

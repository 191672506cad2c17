import Generators
import NeuralNet
import TensorCore
import TestKit
import Testing

/// Fixture 32: the factorised transformer with teacher forcing, its losses and all its gradients.
@Suite(.enabled(if: Fixtures.exist("32_"), Fixtures.skipped))
struct TeacherForcingFixtureTests {
    private static func isFactorised(_ fixture: FixtureCase) -> Bool { fixture.settings.group("model").integer("plain") == 0 }

    @Test(arguments: try FixtureCase.all("32_") { isFactorised($0) && !$0.settings.has("p_token") })
    func matchesGoldenPass(_ fixture: FixtureCase) throws {
        let plain = try GeneratorFixture(fixture)
        let pass = plain.generator(try plain.images(), in: plain.graph)
        let arrays = plain.arrays
        try arrays.expect(pass.states.value.elements, near: "outputs/spatial_hidden_last")
        try arrays.expect(pass.scores.pre.value.elements, near: "outputs/logits_pre")
        try arrays.expect(pass.scores.post.value.elements, near: "outputs/logits_post")
        try arrays.expect([pass.loss.total.value.scalar], near: "outputs/loss")
        try arrays.expect([Float(pass.loss.pre)], near: "outputs/loss_pre")
        try arrays.expect([Float(pass.loss.post)], near: "outputs/loss_post")
        plain.graph.backward(from: pass.loss.total)
        try arrays.expectGradients(plain.gradients, of: plain.layout, table: "grads/loss")

        let smoothed = try GeneratorFixture(fixture, labelSmoothing: 0.1)
        let again = smoothed.generator(try smoothed.images(), in: smoothed.graph)
        try arrays.expect([again.loss.total.value.scalar], near: "outputs/loss_smooth01")
        #expect(again.loss.negativeLogLikelihood == pass.loss.negativeLogLikelihood)
        smoothed.graph.backward(from: again.loss.total)
        try arrays.expectGradients(smoothed.gradients, of: smoothed.layout, table: "grads/loss_smooth01")
    }

    /// Dropout everywhere, with the masks of the case.
    @Test(arguments: try FixtureCase.all("32_") { isFactorised($0) && $0.settings.has("p_token") })
    func matchesGoldenDropout(_ fixture: FixtureCase) throws {
        let model = try GeneratorFixture(fixture, labelSmoothing: 0.1)
        let settings = fixture.settings
        var factors: [GeneratorDropout.Site: Tensor] = [:]
        func read(_ site: GeneratorDropout.Site, _ name: String, rate: String) throws {
            let kept = 1 / (1 - Float(settings.double(rate)))
            let mask = try model.arrays.integers("inputs/keep_" + name)
            factors[site] = Tensor(mask.map { Float($0) * kept }, Shape(try model.arrays.shape("inputs/keep_" + name)))
        }
        try read(.tokens, "token", rate: "p_token")
        for layer in 0..<model.generator.configuration.layers {
            try read(.attention(layer: layer), "attn_out_\(layer)", rate: "p_resid")
            try read(.feedForward(layer: layer), "ffn_out_\(layer)", rate: "p_ffn")
        }
        for layer in 0..<model.generator.configuration.intraLayers {
            try read(.intraAttention(layer: layer), "intra_attn_out_\(layer)", rate: "p_resid")
            try read(.intraFeedForward(layer: layer), "intra_ffn_out_\(layer)", rate: "p_ffn")
        }
        let dropped = try model.arrays.integers("inputs/class_drop")
        let dropout = GeneratorDropout(factors: { [factors] site, _ in factors[site].map { DropoutFactors($0) } }, isDropped: { dropped[$0] == 1 })
        let pass = model.generator(try model.images(), dropout: dropout, in: model.graph)
        try model.arrays.expect(pass.scores.pre.value.elements, near: "outputs/logits_pre")
        try model.arrays.expect(pass.scores.post.value.elements, near: "outputs/logits_post")
        try model.arrays.expect([pass.loss.total.value.scalar], near: "outputs/loss_smooth01")
        model.graph.backward(from: pass.loss.total)
        try model.arrays.expectGradients(model.gradients, of: model.layout, table: "grads/loss_smooth01")
    }
}

/// Fixture 36: cross-entropy with smoothed labels.
@Suite(.enabled(if: Fixtures.exist("36_"), Fixtures.skipped))
struct LabelSmoothingFixtureTests {
    @Test(arguments: try FixtureCase.all("36_") { $0.settings.text("kind") == "label smoothing" })
    func matchesGoldenLoss(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let graph = Graph(weights: Tensor(zeros: [0]), gradients: Tensor(zeros: [0]), pool: ThreadPool(threads: 2))
        let scores = graph.input(try arrays.tensor("inputs/logits"))
        let result = scores.crossEntropy(
            targets: try arrays.integers("inputs/targets").map(Int32.init), smoothing: Float(fixture.settings.double("eps")))
        try arrays.expect([result.loss.value.scalar], near: "outputs/loss")
        try arrays.expect([Float(result.negativeLogLikelihood)], near: "outputs/nll_unsmoothed")
        graph.backward(from: result.loss)
        try arrays.expectGradient(try #require(scores.gradient).elements, near: "grads/logits")
    }
}

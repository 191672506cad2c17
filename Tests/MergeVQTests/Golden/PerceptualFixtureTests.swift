import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

/// Fixture 09: LPIPS on VGG16 of full width, features, distances and gradient; fixture 07: the same as a term of the tokenizer's loss.
@Suite(.enabled(if: Fixtures.exist("09_"), Fixtures.skipped))
struct PerceptualFixtureTests {
    private static func graph() -> Graph {
        Graph(weights: Tensor(zeros: [0]), gradients: Tensor(zeros: [0]), pool: ThreadPool(threads: 1))
    }

    private static func build() -> (PerceptualDistance, ParameterLayout) {
        ParameterLayout.build { PerceptualDistance($0 / "lpips") }
    }

    @Test(arguments: try FixtureCase.all("09_"))
    func matchesGoldenValues(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let (distance, layout) = PerceptualFixtureTests.build()
        let weights = try arrays.ofFile.hashedWeights(for: layout)
        let graph = PerceptualFixtureTests.graph()
        let images = try arrays.map("inputs/x")
        let x = graph.input(try arrays.map("inputs/x_hat"))
        let features = graph.frozen(weights) { distance.features(PerceptualDistance.standardised(graph.constant(x.value))) }
        for (depth, feature) in features.enumerated() {
            try arrays.expect(channelsFirst(feature.value), near: "intermediate/x_hat_feature\(depth)")
        }
        let depths = distance.byDepth(x, to: images, weights: weights).map(\.value.elements)
        try arrays.expect((0..<images.shape[0]).flatMap { image in depths.map { $0[image] } }, near: "outputs/per_layer")
        try arrays.expect(distance(x, to: images, weights: weights).value.elements, near: "outputs/lpips")
        graph.backward(from: distance.mean(of: x, to: images, weights: weights))
        try arrays.expectGradient(channelsFirst(try #require(x.gradient)), near: "grads/x_hat")
    }

    @Test(.enabled(if: Fixtures.exist("07_"), Fixtures.skipped), arguments: try FixtureCase.all("07_"))
    func matchesTheLossTermOfTheTokenizer(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let (distance, layout) = PerceptualFixtureTests.build()
        let weights = try arrays.hashedWeights(for: layout) { !$0.hasPrefix("lpips.") }
        let graph = PerceptualFixtureTests.graph()
        let images = try arrays.map("inputs/x")
        let x = graph.input(try arrays.map("outputs/x_hat"))
        try arrays.expect(distance(x, to: images, weights: weights).value.elements, near: "outputs/lpips_per_image")
        let mean = distance.mean(of: x, to: images, weights: weights)
        #expect(abs(Double(mean.value.scalar) - fixture.settings.group("terms").double("perceptual")) < 1e-4)
        graph.backward(from: mean)
        try arrays.expectGradient(channelsFirst(try #require(x.gradient)), near: "grads/x_hat_perceptual")
    }
}

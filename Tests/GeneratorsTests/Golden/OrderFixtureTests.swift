import Generators
import NeuralNet
import TensorCore
import TestKit
import Testing

/// Fixture 33: the transformer with a merge token and a mask from outside, one for each sample.
@Suite(.enabled(if: Fixtures.exist("33_"), Fixtures.skipped))
struct MergedTokenFixtureTests {
    @Test(arguments: try FixtureCase.all("33_") { $0.settings.has("windows") && $0.settings.has("model") })
    func matchesGoldenPasses(_ fixture: FixtureCase) throws {
        for window in fixture.settings.integers("windows") {
            let model = try GeneratorFixture(fixture)
            let shape = try model.arrays.shape("W\(window)/mask")
            let mask = AttentionMask(
                try model.arrays.integers("W\(window)/mask").map { UInt8($0) }, samples: shape[0], queries: shape[1], keys: shape[2])
            let images = try model.images(mergeIDs: try model.arrays.floats("inputs/merge_id"))
            let pass = model.generator(images, mask: mask, in: model.graph)
            try model.arrays.expect(pass.scores.pre.value.elements, near: "W\(window)/logits_pre")
            try model.arrays.expect(pass.scores.post.value.elements, near: "W\(window)/logits_post")
            try model.arrays.expect([pass.loss.total.value.scalar], near: "W\(window)/loss")
            model.graph.backward(from: pass.loss.total)
            try model.arrays.expectGradients(model.gradients, of: model.layout, table: "W\(window)/grads_loss")
        }
    }

    /// Merge instructions between two rows of the table.
    @Test(arguments: try FixtureCase.all("33_") { $0.settings.has("windows") && $0.settings.has("model") })
    func interpolatesMergeInstructions(_ fixture: FixtureCase) throws {
        let model = try GeneratorFixture(fixture)
        let count = try model.arrays.shape("outputs/merge_vectors_half_steps")[0]
        let prefix = model.generator.prefix(
            classes: [Int32](repeating: 0, count: count), mergeIDs: (0..<count).map { Float($0) / 2 }, in: model.graph)
        try model.arrays.expect(prefix.rows(from: 1, count: 1).value.elements, near: "outputs/merge_vectors_half_steps")
    }
}

/// Fixture 34: a sequence in random order with position instructions, made of the model's parts.
@Suite(.enabled(if: Fixtures.exist("34_"), Fixtures.skipped))
struct RandomOrderFixtureTests {
    @Test(arguments: try FixtureCase.all("34_") { $0.settings.has("model") && $0.settings.group("model").integer("plain") == 0 })
    func matchesGoldenPass(_ fixture: FixtureCase) throws {
        let model = try GeneratorFixture(fixture)
        let (generator, arrays) = (model.generator, model.arrays)
        let (batch, count) = (fixture.settings.integer("B"), fixture.settings.integer("N"))
        let order = try arrays.integers("inputs/order")
        let cells = (0..<batch).map { Array(order[($0 * count)..<(($0 + 1) * count)]) }
        let instructions = generator.positionInstructions(cells: cells, in: model.graph)
        try arrays.expect(instructions.value.elements, near: "outputs/instruct")

        let images = Generator.Images(
            classes: try model.integers("inputs/cls"), pre: try model.integers("inputs/a"), post: try model.integers("inputs/b"))
        let pass = generator(images, orders: try cells.map { try SlotOrder($0) }, in: model.graph)
        try arrays.expect(pass.scores.pre.value.elements, near: "outputs/logits_pre")
        try arrays.expect(pass.scores.post.value.elements, near: "outputs/logits_post")
        try arrays.expect([pass.loss.total.value.scalar], near: "outputs/loss")
        model.graph.backward(from: pass.loss.total)
        try arrays.expectGradients(model.gradients, of: model.layout, table: "grads/loss")
    }
}

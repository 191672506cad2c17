import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

extension EncoderConfiguration {
    /// The configuration of a fixture's settings, official key names.
    init(model: FixtureCase.Settings, heads: Int, groups: Int = 32) {
        let multipliers = model.integers("ch_mult")
        let stem: StemConfiguration =
            model.has("isotropic")
            ? .patches(size: 1 << (multipliers.count - 1), width: model.integer("isotropic"))
            : .convolutional(
                channels: model.integer("ch"), multipliers: multipliers, residualBlocks: model.integer("num_res_blocks"))
        var alignment: Alignment?
        if model.has("dist_head") {
            alignment = Alignment(kind: model.isText("dist_head") ? .deep : .normed, outputs: model.integer("num_classes"))
        }
        self.init(
            stem: stem, blocks: model.integer("num_att_blocks"), heads: heads, bits: model.integer("z_channels"), groups: groups,
            layerScale: 1, alignment: alignment)
    }
}

extension DecoderConfiguration {
    /// The configuration of a fixture's settings, official key names.
    init(model: FixtureCase.Settings) {
        self.init(
            channels: model.integer("ch"), multipliers: model.integers("ch_mult"), residualBlocks: model.integer("num_res_blocks"),
            blocks: model.integer("num_att_blocks"), heads: model.integer("num_heads"), bits: model.integer("z_channels"),
            groups: model.has("gn_groups") ? model.integer("gn_groups") : 32, layerScale: 1)
    }
}

/// Fixture 04: whole encoders with owner maps, sizes, merge tables, the alignment head on a smaller view, two losses.
@Suite(.enabled(if: Fixtures.exist("04_"), Fixtures.skipped))
struct EncoderFixtureTests {
    @Test(arguments: try FixtureCase.all("04_"))
    func matchesGoldenEncoder(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let settings = fixture.settings
        #expect(settings.double("ln_eps") == 1e-5 && settings.double("gn_eps") == 1e-6, "the model's norms have other ε")
        let configuration = EncoderConfiguration(
            model: settings.group("ddconfig"), heads: settings.integer("heads"),
            groups: settings.has("gn_groups") ? settings.integer("gn_groups") : 32)
        let prefix = String(settings.text("param_prefix").dropLast())
        let (encoder, layout) = ParameterLayout.build { Encoder($0 / prefix, configuration) }
        let weights = try arrays.hashedWeights(for: layout)
        let mergeCounts = settings.integers("r_list_full")
        let pool = ThreadPool(threads: 1)

        let gradients = Tensor(zeros: [layout.count])
        let graph = Graph(weights: weights, gradients: gradients, pool: pool)
        let image = graph.input(try arrays.map("inputs/x"))
        try arrays.expect(encoder.features(image).value.elements, near: "outputs/feature_tokens")
        let sequence = encoder(image, mergeCounts: mergeCounts)
        #expect(sequence.imageOwners.map(Int.init) == (try arrays.integers("outputs/owner")))
        for (index, table) in sequence.tables.enumerated() {
            #expect(table.map(Int.init) == (try arrays.integers("outputs/merge_table\(index)")))
        }
        #expect(!arrays.has("outputs/merge_table\(sequence.tables.count)"))
        if let sizes = sequence.sizes { #expect(sizes.elements == (try arrays.floats("outputs/size_with_cls"))) }
        try arrays.expect(sequence.tokens.value.elements, near: "outputs/tokens")
        try arrays.expect(encoder.classToken(of: sequence).value.elements, near: "outputs/cls")
        let y = encoder.project(sequence)
        try arrays.expect(y.value.elements, near: "outputs/y")
        graph.backward(from: y, seed: try arrays.tensor("inputs/cotangent_y"))
        try arrays.expectGradients(gradients, of: layout, table: "grads/loss_y/params")
        if arrays.has("grads/loss_y/x") {
            try arrays.expectGradient(channelsFirst(try #require(image.gradient)), near: "grads/loss_y/x")
        }

        guard let head = encoder.alignmentHead else { return }
        let viewGradients = Tensor(zeros: [layout.count])
        let viewGraph = Graph(weights: weights, gradients: viewGradients, pool: pool)
        let view = viewGraph.input(try arrays.map("inputs/view"))
        let viewSequence = encoder(view, mergeCounts: mergeCounts)
        for (index, table) in viewSequence.tables.enumerated() {
            #expect(table.map(Int.init) == (try arrays.integers("outputs/view_merge_table\(index)")))
        }
        try arrays.expect(viewSequence.tokens.value.elements, near: "outputs/view_tokens")
        let output = head(encoder.classToken(of: viewSequence))
        try arrays.expect(output.value.elements, near: "outputs/head")
        viewGraph.backward(from: output, seed: try arrays.tensor("inputs/cotangent_head"))
        try arrays.expectGradients(viewGradients, of: layout, table: "grads/loss_head/params")
        try arrays.expectGradient(channelsFirst(try #require(view.gradient)), near: "grads/loss_head/view")
    }
}

import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

/// Fixture 05: whole decoders with every intermediate value, and AdaGN, MixFFN and the depthwise position convolution alone.
@Suite(.enabled(if: Fixtures.exist("05_"), Fixtures.skipped))
struct DecoderFixtureTests {
    @Test(arguments: try FixtureCase.all("05_") { $0.settings.has("ddconfig") })
    func matchesGoldenDecoder(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let configuration = DecoderConfiguration(model: fixture.settings.group("ddconfig"))
        let prefix = String(fixture.settings.text("param_prefix").dropLast())
        let (decoder, layout) = ParameterLayout.build { Decoder($0 / prefix, configuration) }
        let gradients = Tensor(zeros: [layout.count])
        let graph = Graph(weights: try arrays.hashedWeights(for: layout), gradients: gradients, pool: ThreadPool(threads: 1))
        let z = graph.input(try arrays.map("inputs/z"))
        var values: [(String, [Float])] = []
        let image = decoder(z) { stage, value in
            values.append((stage, value.shape.rank == 4 ? channelsFirst(value.value) : value.value.elements))
        }
        #expect(values.map(\.0).sorted() == (try arrays.children(of: "intermediate")))
        for (stage, value) in values { try arrays.expect(value, near: "intermediate/\(stage)") }
        try arrays.expect(channelsFirst(image.value), near: "outputs/x")
        graph.backward(from: image, seed: try arrays.map("inputs/cotangent"))
        try arrays.expectGradient(channelsFirst(try #require(z.gradient)), near: "grads/z")
        try arrays.expectGradients(gradients, of: layout, table: "grads/params")
    }

    @Test(arguments: try FixtureCase.all("05_") { !$0.settings.has("ddconfig") })
    func matchesGoldenUnit(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let settings = fixture.settings
        switch settings.text("kind") {
        case "dwpos":
            try compareLayer(arrays) { scope in
                let layer = DepthwiseConvolution(scope / "pos_embed", channels: settings.integer("D"))
                return { layer($0) }
            }
        case "mixffn":
            let height = settings.integer("h")
            try compareLayer(arrays, maps: false) { scope in
                let layer = MixFFN(scope, width: settings.integer("D"), hidden: settings.integer("Hd"))
                return { layer($0, height: height, width: $0.shape[1] / height) }
            }
        case "adagn":
            let (layer, layout) = ParameterLayout.build {
                AdaptiveGroupNorm($0 / "adaptive", bits: settings.integer("zc"), channels: settings.integer("C"),
                    groups: settings.has("gn_groups") ? settings.integer("gn_groups") : 32)
            }
            let gradients = Tensor(zeros: [layout.count])
            let graph = Graph(weights: try arrays.hashedWeights(for: layout), gradients: gradients, pool: ThreadPool(threads: 1))
            let x = graph.input(try arrays.map("inputs/x"))
            let style = graph.input(try arrays.map("inputs/style"))
            let y = layer(x, style: SpatialMoments(style))
            try arrays.expect(channelsFirst(y.value), near: "outputs/y")
            graph.backward(from: y, seed: try arrays.map("inputs/cotangent"))
            try arrays.expectGradient(channelsFirst(try #require(x.gradient)), near: "grads/x")
            try arrays.expectGradient(channelsFirst(try #require(style.gradient)), near: "grads/style")
            try arrays.expectGradients(gradients, of: layout, table: "grads/params")
        default:
            Issue.record("no layer is known for the kind '\(settings.text("kind"))'")
        }
    }
}

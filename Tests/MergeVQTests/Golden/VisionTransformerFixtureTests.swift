import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

/// Fixture 10: the teacher, small and ViT-B/14, with both ways of resampling its positions.
@Suite(.serialized, .enabled(if: Fixtures.exist("10_"), Fixtures.skipped))
struct VisionTransformerFixtureTests {
    @Test(arguments: try FixtureCase.all("10_"))
    func matchesGoldenTeacher(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let settings = fixture.settings
        #expect(settings.double("ln_eps") == 1e-6 && settings.text("param_prefix") == "teacher.")
        var configuration = VisionTransformerConfiguration(
            patchSize: settings.integer("patch"), width: settings.integer("hidden"), blocks: settings.integer("layers"),
            heads: settings.integer("heads"), grid: settings.integer("pos_grid"))
        let images: Tensor
        if arrays.has("inputs/x") {
            images = try arrays.map("inputs/x")
        } else {
            let (means, deviations): ([Float], [Float]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
            let shape = try arrays.shape("inputs/image_u8")
            let pixels = try arrays.integers("inputs/image_u8")
            let plane = shape[1] * shape[2]
            images = channelsLast(
                pixels.indices.map { (Float(pixels[$0]) / 255 - means[$0 / plane]) / deviations[$0 / plane] }, [1] + shape)
        }
        let weights = try arrays.hashedWeights(for: VisionTransformer.build(configuration).1)
        let pool = ThreadPool(threads: 2)
        for positions in PositionResampling.allCases {
            configuration.positions = positions
            let (teacher, _) = VisionTransformer.build(configuration)
            let variant = positions.rawValue
            let (rows, columns) = (images.shape[1] / configuration.patchSize, images.shape[2] / configuration.patchSize)
            let table = teacher.positions(rows: rows, columns: columns, of: Graph(weights: weights, pool: pool))
            try arrays.expect(table.elements, near: "\(variant)/outputs/position_embedding_interpolated", factor: 0.01)
            var compared = 0
            let tokens = teacher.hiddenState(images, weights: weights, pool: pool) { number, tokens in
                do {
                    try arrays.expect(tokens.elements, near: "\(variant)/intermediate/hidden\(number)", factor: 0.1)
                    compared += 1
                } catch {
                    Issue.record(error)
                }
            }
            #expect(compared == configuration.blocks + 1)
            try arrays.expect(tokens.elements, near: "\(variant)/outputs/last_hidden_state", factor: 0.1)
            let feature = teacher(images, weights: weights, pool: pool)
            #expect(feature.shape == [images.shape[0], configuration.width])
            try arrays.expect(feature.elements, near: "\(variant)/outputs/cls", factor: 0.1)
        }
    }
}

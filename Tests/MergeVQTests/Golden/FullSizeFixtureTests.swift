import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

/// Fixture 15: the full-size variants on a photograph: every merge decision, every code, the reconstruction.
@Suite(.serialized, .enabled(if: Fixtures.exist("15_"), Fixtures.skipped))
struct FullSizeFixtureTests {
    @Test(arguments: try FixtureCase.all("15_"))
    func matchesGoldenVariant(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let settings = fixture.settings
        let (model, layout) = ParameterLayout.build { scope in
            (
                Encoder(scope / "encoder", EncoderConfiguration(model: settings.group("encoder"), heads: settings.integer("heads"))),
                Decoder(scope / "decoder", DecoderConfiguration(model: settings.group("decoder")))
            )
        }
        let (encoder, decoder) = model
        let graph = Graph(weights: try arrays.hashedWeights(for: layout), pool: ThreadPool(threads: 2))
        let pixels = try arrays.integers("inputs/image_u8").map { Float($0) / 127.5 - 1 }
        let image = graph.constant(channelsLast(pixels, [1] + (try arrays.shape("inputs/image_u8"))))

        let sequence = encoder(image, mergeCounts: settings.integers("r_list"))
        for (index, table) in sequence.tables.enumerated() {
            #expect(table.map(Int.init) == (try arrays.integers("outputs/merge_table\(index)")), "merge \(index)")
        }
        #expect(sequence.imageOwners.map(Int.init) == (try arrays.integers("outputs/owner")))
        try arrays.expect(encoder.classToken(of: sequence).value.elements, near: "outputs/cls")
        if let head = encoder.alignmentHead { try arrays.expect(head(encoder.classToken(of: sequence)).value.elements, near: "outputs/head") }
        let y = encoder.project(sequence)
        try arrays.expect(y.value.elements, near: "outputs/y")
        let codes = LookupFreeQuantizer(bits: settings.group("encoder").integer("z_channels"))(y)
        #expect(codes.indices.map(Int.init) == (try arrays.integers("outputs/index")))

        let length = sequence.imageOwners.count
        let side = Int(Double(length).squareRoot())
        let z = codes.z.recovered(owners: sequence.imageOwners).reshaped([1, side, side, y.shape[2]])
        var compared = 0
        let result = decoder(z) { stage, value in
            guard value.shape.rank == 4, arrays.has("intermediate/dec_\(stage)") else { return }
            compared += 1
            do {
                try arrays.expect(channelsFirst(value.value), near: "intermediate/dec_\(stage)")
            } catch {
                Issue.record(error)
            }
        }
        #expect(compared >= 8, "the decoder's stages were compared")
        let reconstruction = channelsFirst(result.value)
        try arrays.expect(reconstruction, near: "outputs/x_hat_sampled")
        let width = settings.group("encoder").integer("resolution")
        let corner = (0..<3).flatMap { c in (0..<64).flatMap { row in (0..<64).map { reconstruction[(c * width + row) * width + $0] } } }
        try arrays.expect(corner, near: "outputs/x_hat_corner64")
    }
}

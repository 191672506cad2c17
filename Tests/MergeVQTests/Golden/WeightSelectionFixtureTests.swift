import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

/// Fixture 11: the official index maps, and blocks selected by them.
@Suite(.enabled(if: Fixtures.exist("11_"), Fixtures.skipped))
struct WeightSelectionFixtureTests {
    @Test func matchesGoldenIndexMaps() throws {
        let fixtures = try FixtureCase.all("11_")
        for file in Set(fixtures.map(\.file)) {
            let maps = try #require(fixtures.first { $0.file == file }).openGroup("index_maps")
            let names = try maps.children(of: "")
            #expect(names.count > 5)
            for name in names {
                let sizes = name.split(separator: "_").compactMap { Int($0) }
                #expect(WeightSelection.indices(of: sizes[0], count: sizes[1]) == (try maps.integers(name)), "\(name)")
            }
        }
    }

    @Test(arguments: try FixtureCase.all("11_"))
    func matchesGoldenSelection(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let width = fixture.settings.integer("student_dim")
        let (_, layout) = ParameterLayout.build { scope in
            Encoder(
                scope / "encoder",
                EncoderConfiguration(
                    stem: .patches(size: 8, width: width), blocks: 1, heads: width / 16, bits: 10, groups: 8, layerScale: 0.1))
        }
        let before = layout.initialWeights(seed: 3)
        let weights = before.copied()
        try WeightSelection.apply(try arrays.hashedTensors(), to: weights, layout: layout)
        var (whole, sampled) = (0, 0)
        for parameter in layout.parameters {
            let got = parameter.official(from: weights)
            guard parameter.name.hasPrefix("encoder.attn.") else {
                let isUntouched = got == parameter.official(from: before)
                #expect(isUntouched, "\(parameter.name) is not the teacher's business")
                continue
            }
            let name = String(parameter.name.dropFirst("encoder.attn.".count))
            if arrays.has("outputs/\(name)") {
                #expect(try arrays.shape("outputs/\(name)") == parameter.officialShape)
                let isSame = try got == arrays.floats("outputs/\(name)")
                #expect(isSame, "\(name)")
                whole += 1
            } else {
                let indices = try arrays.integers("outputs_sampled/\(name)/index")
                #expect(indices.map { got[$0] } == (try arrays.floats("outputs_sampled/\(name)/values")), "\(name)")
                try arrays.expect(got, near: "outputs_sampled/\(name)")
                sampled += 1
            }
        }
        #expect(whole + sampled == 15, "every tensor of a block, and the class token")
    }
}

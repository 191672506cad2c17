import Generators
import NeuralNet
import TensorCore
import TestKit
import Testing

extension GeneratorConfiguration {
    /// The model of a fixture case.
    init(_ model: FixtureCase.Settings, labelSmoothing: Float = 0) {
        let bits = model.integers("bits")
        self.init(
            layers: model.integer("ns"), intraLayers: model.integer("ni"), width: model.integer("d"), heads: model.integer("H"),
            keyValueHeads: model.integer("nkv"), hiddenMultiple: model.integer("mult"), preBits: bits[0], postBits: bits[1],
            classes: model.integer("classes"), grid: model.integer("G"), mergeIDs: model.integer("nK"),
            positionInstruction: model.flag("randar"), labelSmoothing: labelSmoothing)
    }
}

/// A generator with a case's hashed weights.
struct GeneratorFixture {
    let arrays: FixtureArrays
    let generator: Generator
    let layout: ParameterLayout
    let weights: Tensor
    let gradients: Tensor
    let graph: Graph

    init(_ fixture: FixtureCase, labelSmoothing: Float = 0) throws {
        arrays = try fixture.open()
        (generator, layout) = Generator.build(GeneratorConfiguration(fixture.settings.group("model"), labelSmoothing: labelSmoothing))
        weights = try arrays.hashedWeights(for: layout)
        gradients = Tensor(zeros: [layout.count])
        graph = Graph(weights: weights, gradients: gradients, pool: ThreadPool(threads: 2))
    }

    func integers(_ name: String) throws -> [Int32] { try arrays.integers(name).map(Int32.init) }

    /// The images of `inputs`.
    func images(mergeIDs: [Float] = []) throws -> Generator.Images {
        Generator.Images(
            classes: try integers("inputs/cls"), pre: try integers("inputs/pre"), post: try integers("inputs/post"), mergeIDs: mergeIDs)
    }
}

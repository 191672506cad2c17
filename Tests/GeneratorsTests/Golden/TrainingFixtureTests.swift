import Generators
import NeuralNet
import TensorCore
import TestKit
import Testing

/// Fixture 36: five whole training steps, in raster order and with merged tokens: loss, gradient norm and weights after every step.
@Suite(.enabled(if: Fixtures.exist("36_"), Fixtures.skipped))
struct TrainingFixtureTests {
    @Test(arguments: try FixtureCase.all("36_") { $0.settings.text("kind") == "training steps" })
    func matchesGoldenSteps(_ fixture: FixtureCase) throws {
        let settings = fixture.settings
        let pool = ThreadPool(threads: 2)
        let model = try GeneratorFixture(fixture, labelSmoothing: Float(settings.double("label_smoothing")))
        let configuration = model.generator.configuration
        let (rates, betas) = (settings.doubles("lr"), settings.doubles("betas"))
        func optimizer(weightDecay: Double) -> AdamW {
            AdamW(beta1: betas[0], beta2: betas[1], epsilon: settings.double("eps"), weightDecay: weightDecay, emaDecay: 0)
        }
        var state = AdamW.State(weights: model.weights.copied())
        for step in rates.indices {
            let codes = try model.integers("step\(step)/inputs/codes")
            let images = Generator.Images(
                classes: try model.integers("step\(step)/inputs/cls"), pre: codes.map { $0 & Int32(configuration.preCodes - 1) },
                post: codes.map { $0 >> Int32(configuration.preBits) },
                mergeIDs: configuration.mergeIDs > 0 ? (0..<settings.integer("B")).map { _ in Float(settings.integer("merge_id")) } : [])
            let gradients = Tensor(zeros: [model.layout.count])
            let graph = Graph(weights: state.weights, gradients: gradients, pool: pool)
            let window = settings.integer("window")
            let mask = configuration.mergeIDs > 0 ? merged(codes, configuration, samples: images.count, window: window) : nil
            let pass = model.generator(images, mask: mask, in: graph)
            try model.arrays.expect([pass.loss.total.value.scalar], near: "step\(step)/outputs/loss")
            graph.backward(from: pass.loss.total)
            let norm = gradients.elements.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
            try model.arrays.expect([Float(norm)], near: "step\(step)/outputs/grad_norm")

            // Gains alone have one dimension, and no weight decay.
            let scale = clippingFactor(norm: norm, limit: settings.double("clip"))
            for (decay, isGain) in [(settings.double("weight_decay"), false), (0, true)] {
                let parts = model.layout.parameters.filter { ($0.shape.rank == 1) == isGain }.map {
                    AdamW.Part(range: $0.offset..<($0.offset + $0.count), gradientScale: scale)
                }
                state.step = step
                optimizer(weightDecay: decay).update(&state, gradient: gradients, learningRate: rates[step], parts: parts, pool: pool)
            }
            try expect(state.weights, of: model, near: "step\(step)/params_after", travelled: rates[...step].reduce(0, +))
        }
    }

    /// Compares sampled weights with a golden table. A step moves a weight by up to the learning rate, whatever its gradient's size: a thousandth
    /// of that is allowed, and ten times what the reference in float32 is off by.
    private func expect(_ weights: Tensor, of model: GeneratorFixture, near table: String, travelled: Double) throws {
        let names = try #require(try model.arrays.json("\(table)/names_json") as? [String])
        let positions = try model.arrays.integers("\(table)/sample_index")
        let (samples, deviations) = (try model.arrays.floats("\(table)/sample_value"), try model.arrays.floats("\(table)/f32_dev"))
        try #require(names.count == model.layout.parameters.count)
        let perRow = positions.count / names.count
        for (row, name) in names.enumerated() {
            let values = try #require(model.layout.parameter(named: name)).official(from: weights)
            let worst = (0..<perRow).reduce(0.0) { worst, slot in
                let position = positions[row * perRow + slot]
                return position < 0 ? worst : max(worst, abs(Double(values[position] - samples[row * perRow + slot])))
            }
            let allowed = 1e-3 * travelled + 10 * Double(deviations[2 * row + 1]) + 1e-7
            #expect(worst <= allowed, "\(table): \(name) is off by \(worst), allowed \(allowed)")
        }
    }

    /// Masks by equal codes; the last token of an image is never an input.
    private func merged(_ codes: [Int32], _ configuration: GeneratorConfiguration, samples: Int, window: Int) -> AttentionMask {
        let cells = configuration.cells
        return AttentionMask(
            (0..<samples).map { sample in
                MergedAttention(
                    prefix: configuration.prefixSlots, window: window,
                    keep: TokenGroups(Array(codes[(sample * cells)..<((sample + 1) * cells - 1)])).keep)
            })
    }
}

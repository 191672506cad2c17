import Foundation
import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

/// Fixture 16: ten optimizer steps of generator and discriminator with every loss of the official code on, alignment and LPIPS included.
@Suite(.enabled(if: Fixtures.exist("16_"), Fixtures.skipped))
struct TrajectoryFixtureTests {
    @Test(arguments: try FixtureCase.all("16_"))
    func matchesGoldenSteps(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let settings = fixture.settings
        let model = StageOneModel(try configuration(settings))
        let perceptual = try #require(model.perceptual)
        let weights = try arrays.hashedWeights(for: model.layout, ignoring: { $0.hasPrefix("lpips.") })
        let perceptualWeights = try arrays.hashedWeights(for: perceptual.layout, prefix: "lpips.")
        let columns = try arrays.columns(of: "outputs/terms")
        let golden = try arrays.floats("outputs/terms")
        let deviations = try arrays.floats("outputs/terms_f32_dev")
        let names = try #require(try arrays.json("outputs/param_names_json") as? [String])
        let (parameterNorms, averageNorms) = (try arrays.floats("outputs/param_l2"), try arrays.floats("outputs/ema_l2"))

        let pool = ThreadPool(threads: 2)
        let betas = settings.doubles("betas")
        let optimizer = AdamW(beta1: betas[0], beta2: betas[1], epsilon: settings.double("eps"), emaDecay: settings.double("ema"))
        let clip = settings.has("clip") ? settings.double("clip") : nil
        var state = AdamW.State(weights: weights)
        var statistics = model.initialStatistics
        for (step, kept) in settings.integers("K").enumerated() {
            let gradients = Tensor(zeros: [model.layout.count])
            let result = model.addGradient(
                of: batch(settings, step: step), weights: state.weights, statistics: statistics, perceptualWeights: perceptualWeights,
                kept: kept, into: gradients, pool: pool)
            let count = settings.integer("B")
            gradients.scaleInPlace(by: 1 / Float(count), pool: pool)

            let sameDecisions = try result.pass.owners.map(Int.init) == arrays.integers("outputs/step\(step)/owner")
                && result.pass.codes.indices.map(Int.init) == arrays.integers("outputs/step\(step)/index")
            guard sameDecisions else {
                // Round-off decides merges and codes of tiny margin; what follows is another trajectory.
                #expect(step > 3, "\(fixture.testDescription): other merges or codes at step \(step)")
                print("\(fixture.testDescription): compared up to step \(step), where another merge or code has a margin within round-off")
                return
            }
            let norms = model.optimizers.map { part in
                gradients.slice(from: part.range.lowerBound, [part.range.count]).sumOfSquares(pool: pool).squareRoot()
            }
            statistics = statistics.updated(sums: result.statisticSums, images: count)
            let lecam = try #require(statistics.discriminator?.lecam)
            let terms = Dictionary(uniqueKeysWithValues: zip(model.termNames, result.terms))
            let got: [String: Float] = [
                "rec": terms["reconstruction"], "perceptual": terms["perceptual"], "gan": terms["generator"],
                "H_s": terms["entropy_per_sample"], "H_b": terms["entropy_batch"], "commit": terms["commitment"],
                "align": terms["alignment"], "total": terms["loss"], "d_hinge": terms["discriminator_hinge"], "d_lecam": terms["lecam"],
                "d_total": terms["discriminator"], "mean_logit_real": terms["logit_real"], "mean_logit_fake_dstep": terms["logit_fake"],
                "mean_logit_fake_gstep": terms["logit_fake"], "lecam_ema_real": lecam.real, "lecam_ema_fake": lecam.fake,
                "grad_norm_gen": Float(norms[0]), "grad_norm_disc": Float(norms[1]),
            ].compactMapValues { $0 }
            for (index, column) in columns.enumerated() {
                let position = step * columns.count + index
                let (want, value) = (golden[position], try #require(got[column], "no term for \(column)"))
                // From the second step on the weights carry round-off of 1e-5 (Adam makes full-size updates of gradients that are zero but for
                // rounding, spec 11.29), and some of 10⁵ leaky ReLUs lie that close to their kink: gradient norms of the discriminator differ by
                // 5e-4 between two BLAS threadings of this very program, whose logits agree to 1e-5.
                let base: Float = step == 0 ? 1e-5 : step <= 3 && !column.hasPrefix("grad_norm") ? 1e-4 : 1e-3
                let allowed = base * max(1, abs(want)) + 10 * deviations[position]
                #expect(abs(value - want) <= allowed, "\(fixture.testDescription) step \(step) \(column): \(value), golden \(want), allowed ±\(allowed)")
            }

            let factors = norms.map { clippingFactor(norm: $0, limit: clip) }
            if step == 0 {
                let clipped = gradients.copied()
                clipped.slice(from: 0, [model.optimizers[0].range.count]).scaleInPlace(by: Float(factors[0]), pool: pool)
                clipped.slice(from: model.optimizers[1].range.lowerBound, [model.optimizers[1].range.count])
                    .scaleInPlace(by: Float(factors[1]), pool: pool)
                try arrays.expectGradients(clipped, of: model.layout, table: "grads/step0_after_clip")
                try arrays.expect(channelsFirst(result.pass.image.value), near: "outputs/step0/x_hat")
            }
            optimizer.update(
                &state, gradient: gradients, learningRate: settings.double("lr"),
                parts: zip(model.optimizers, factors).map { AdamW.Part(range: $0.range, gradientScale: $1) }, pool: pool)
            for (index, name) in names.enumerated() {
                let parameter = try #require(model.layout.parameter(named: name), "no parameter \(name)")
                func norm(_ vector: Tensor) -> Float {
                    Float(parameter.official(from: vector).reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot())
                }
                let position = step * names.count + index
                for (value, want, what) in [
                    (norm(state.weights), parameterNorms[position], "weights"), (norm(state.ema), averageNorms[position], "average"),
                ] {
                    #expect(abs(value - want) <= 2e-4 * max(1, want), "\(fixture.testDescription) step \(step), \(what) of \(name): L2 \(value), golden \(want)")
                }
            }
        }
        let buffers = try arrays.children(of: "outputs/disc_buffers_final")
        #expect(!buffers.isEmpty)
        for name in buffers {
            try arrays.expect(try #require(statistics.discriminator?["disc.\(name)"]), near: "outputs/disc_buffers_final/\(name)", factor: 10)
        }
    }

    private func configuration(_ settings: FixtureCase.Settings) throws -> StageOneConfiguration {
        let model = settings.group("ddconfig")
        let size = settings.integer("R")
        let encoder = EncoderConfiguration(model: model, heads: model.integer("num_heads"))
        let grid = size / encoder.stem.downsampling
        var losses = StageOneLosses()
        losses.tokenizer = TokenizerLossWeights(reconstruction: 1, entropy: 0.1, commitment: 0.25, sourceRecovery: 0)
        losses.perceptual = 1
        losses.adversarial = 0.1
        losses.alignment = Float(settings.double("w_align"))
        losses.viewMerging = .unscaled
        // Its features are given; only their width matters.
        let teacher = VisionTransformerConfiguration(patchSize: 8, width: settings.integer("nc"), blocks: 1, heads: 1, grid: 2)
        return StageOneConfiguration(
            tokenizer: TokenizerConfiguration(
                imageSize: size, encoder: encoder, decoder: DecoderConfiguration(model: model), recovery: nil,
                keptTokens: KeptTokenDistribution(shape: .gaussian, target: grid * grid - model.integer("merge_num"), count: 1), schedule: .linear),
            losses: losses,
            discriminator: PatchDiscriminatorConfiguration(channels: settings.integer("disc_ndf"), layers: settings.integer("disc_layers")),
            teacher: teacher)
    }

    /// The hashed inputs of a step.
    private func batch(_ settings: FixtureCase.Settings, step: Int) -> StageOneBatch {
        let (count, key) = (settings.integer("B"), settings.text("key"))
        func values(_ name: String, _ shape: [Int], scale: Float) -> [Float] {
            hashedValues(key: "\(key)step\(step)/\(name)", count: shape.reduce(1, *), scale: scale, offset: 0)
        }
        func images(_ name: String, size: Int, scale: Float) -> Tensor {
            let shape = [count, 3, size, size]
            return channelsLast(values(name, shape, scale: scale), shape)
        }
        let width = settings.integer("nc")
        return StageOneBatch(
            images: images("x", size: settings.integer("R"), scale: 0.9),
            alignment: (
                images("view", size: settings.integer("view"), scale: 1),
                Tensor(values("teacher_cls", [count, width], scale: 4), [count, width])
            ))
    }
}

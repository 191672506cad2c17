import Foundation
import NeuralNet
import TensorCore
import TestKit
import Testing

@Suite struct AdamWTests {
    /// Five steps against the published update in double precision.
    @Test func matchesTheDefinition() {
        let optimizer = AdamW(beta1: 0.5, beta2: 0.9, weightDecay: 0.1, emaDecay: 0.9)
        let count = 1000
        var state = AdamW.State(weights: randomTensor([count], key: "w"))
        var w = state.weights.elements.map(Double.init)
        var ema = w
        var (m, v) = ([Double](repeating: 0, count: count), [Double](repeating: 0, count: count))
        for step in 1...5 {
            let gradient = randomTensor([count], key: "g\(step)", scale: step == 3 ? 0 : 0.1)
            optimizer.update(&state, gradient: gradient, learningRate: 0.01, gradientScale: 0.5, pool: ThreadPool(threads: 1))
            for (i, g) in gradient.elements.map({ Double($0) * 0.5 }).enumerated() {
                m[i] = 0.5 * m[i] + 0.5 * g
                v[i] = 0.9 * v[i] + 0.1 * g * g
                let mean = m[i] / (1 - pow(0.5, Double(step)))
                let root = (v[i] / (1 - pow(0.9, Double(step)))).squareRoot()
                w[i] = w[i] * (1 - 0.01 * 0.1) - 0.01 * mean / (root + 1e-8)
                ema[i] = 0.9 * ema[i] + 0.1 * w[i]
            }
        }
        for (got, want) in zip(state.weights.elements, w) { #expect(abs(Double(got) - want) < 2e-6) }
        for (got, want) in zip(state.ema.elements, ema) { #expect(abs(Double(got) - want) < 2e-6) }
        #expect(state.step == 5)
    }

    /// A count that fills neither tiles nor vector registers.
    @Test func threadsMoveNoBit() {
        let optimizer = AdamW(beta1: 0.5, beta2: 0.9, weightDecay: 0.1, emaDecay: 0.9)
        func states(threads: Int) -> [[Float]] {
            let pool = ThreadPool(threads: threads)
            var state = AdamW.State(weights: randomTensor([200_003], key: "w"))
            for step in 1...2 {
                optimizer.update(&state, gradient: randomTensor([200_003], key: "g\(step)"), learningRate: 0.01, pool: pool)
            }
            return [state.weights, state.firstMoment, state.secondMoment, state.ema].map(\.elements)
        }
        let expected = states(threads: 1)
        for threads in 2...4 { #expect(states(threads: threads) == expected, "\(threads) threads") }
    }

    /// Two optimizers in one vector, each with its own clipping, are two vectors side by side; what belongs to none stays.
    @Test func partsAreOptimizersOfTheirOwn() {
        let optimizer = AdamW(beta1: 0.5, beta2: 0.9, weightDecay: 0.1, emaDecay: 0.9)
        let pool = ThreadPool(threads: 2)
        let (first, second) = (randomTensor([70_001], key: "first"), randomTensor([500], key: "second"))
        let rest: [Float] = [1, 2, 3]
        var together = AdamW.State(weights: Tensor(first.elements + second.elements + rest, [70_504]))
        var (a, b) = (AdamW.State(weights: first), AdamW.State(weights: second))
        for step in 1...3 {
            let gradients = (randomTensor([70_001], key: "g\(step)"), randomTensor([500], key: "h\(step)"))
            optimizer.update(
                &together, gradient: Tensor(gradients.0.elements + gradients.1.elements + [9, 9, 9], [70_504]), learningRate: 0.01,
                parts: [.init(range: 0..<70_001, gradientScale: 0.5), .init(range: 70_001..<70_501, gradientScale: 2)], pool: pool)
            optimizer.update(&a, gradient: gradients.0, learningRate: 0.01, gradientScale: 0.5, pool: pool)
            optimizer.update(&b, gradient: gradients.1, learningRate: 0.01, gradientScale: 2, pool: pool)
        }
        #expect(together.weights.elements == a.weights.elements + b.weights.elements + rest)
        #expect(together.ema.elements == a.ema.elements + b.ema.elements + rest)
    }

    @Test func clipping() {
        #expect(clippingFactor(norm: 10, limit: nil) == 1)
        #expect(clippingFactor(norm: 1, limit: 5) == 1)
        #expect(abs(clippingFactor(norm: 10, limit: 5) - 0.5) < 1e-6)
    }
}

/// Fixture 12: Adam and AdamW over five steps on given gradients, with clipping and averages. The L2-regularised variants are not ours.
@Suite(.enabled(if: Fixtures.exist("12_"), Fixtures.skipped))
struct AdamWFixtureTests {
    @Test(arguments: try FixtureCase.all("12_") {
        $0.settings.has("kind") && $0.settings.has("ema_decay") && ($0.settings.text("kind") == "AdamW" || ($0.settings.text("kind") == "Adam" && $0.settings.double("wd") == 0))
    })
    func matchesGoldenSteps(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let settings = fixture.settings
        let betas = settings.has("betas") ? settings.doubles("betas") : [0.5, 0.9]
        let optimizer = AdamW(
            beta1: betas[0], beta2: betas[1], epsilon: settings.double("eps"), weightDecay: settings.double("wd"),
            emaDecay: settings.double("ema_decay"))
        let names = try arrays.children(of: "inputs/init")
        func flat(_ base: String) throws -> Tensor {
            let values = try names.flatMap { try arrays.floats("\(base)/\($0)") }
            return Tensor(values, [values.count])
        }
        var state = AdamW.State(weights: try flat("inputs/init"))
        let pool = ThreadPool(threads: 1)
        var step = 0
        while arrays.has("inputs/grad\(step)") {
            let gradient = try flat("inputs/grad\(step)")
            let norm = gradient.sumOfSquares(pool: pool).squareRoot()
            let factor = clippingFactor(norm: norm, limit: settings.has("clip") ? settings.double("clip") : nil)
            let learningRate = settings.has("lrs") ? settings.doubles("lrs")[step] : settings.double("lr")
            optimizer.update(&state, gradient: gradient, learningRate: learningRate, gradientScale: factor, pool: pool)
            var offset = 0
            for name in names {
                let shape = try arrays.shape("inputs/init/\(name)")
                let count = shape.reduce(1, *)
                func part(_ vector: Tensor) -> [Float] { Array(vector.elements[offset..<(offset + count)]) }
                try arrays.expect(part(state.weights), near: "outputs/step\(step)/param/\(name)", factor: 0.1)
                try arrays.expect(part(state.ema), near: "outputs/step\(step)/ema/\(name)", factor: 0.1)
                try arrays.expect(part(state.firstMoment), near: "outputs/step\(step)/exp_avg/\(name)", factor: 0.1)
                try arrays.expect(part(state.secondMoment), near: "outputs/step\(step)/exp_avg_sq/\(name)", factor: 0.1)
                offset += count
            }
            step += 1
        }
        #expect(step > 0)
    }
}

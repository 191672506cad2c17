import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

/// Fixture 08: the discriminator with hinge and LeCam losses over three steps, and its statistics; fixture 07: its share of the generator's
/// loss.
@Suite(.enabled(if: Fixtures.exist("08_"), Fixtures.skipped))
struct DiscriminatorFixtureTests {
    @Test(arguments: try FixtureCase.all("08_"))
    func matchesGoldenSteps(_ fixture: FixtureCase) throws {
        let (arrays, settings) = (try fixture.open(), fixture.settings)
        let (discriminator, layout) = discriminator(channels: settings.integer("ndf"), layers: settings.integer("n_layers"))
        let weights = try arrays.hashedWeights(for: layout)
        let loss = AdversarialLoss(lecamWeight: Float(settings.double("lecam_weight")))
        let pool = ThreadPool(threads: 1)
        let images = settings.integer("B")
        var statistics = DiscriminatorStatistics(startOf: discriminator)
        for step in 0..<3 {
            func expect(_ got: [Float], _ name: String) throws { try arrays.expect(got, near: "step\(step)/\(name)") }
            let gradients = Tensor(zeros: [layout.count])
            let graph = Graph(weights: weights, gradients: gradients, pool: pool)
            let real = graph.input(try arrays.map("step\(step)/inputs/real"))
            let fake = graph.input(try arrays.map("step\(step)/inputs/fake"))
            let generatorPass = graph.frozen { discriminator(fake) }
            let g = loss.generatorLoss(generatorPass.logits)
            graph.backward(from: g)
            #expect(gradients.elements.allSatisfy { $0 == 0 })
            try arrays.expectGradient(
                channelsFirst(try #require(fake.gradient)), near: "step\(step)/grads/fake_of_generator_loss")

            let (realPass, fakePass) = (discriminator(real), discriminator(graph.constant(fake.value)))
            #expect(fakePass.statistics == generatorPass.statistics, "one copy serves both passes of x̂")
            let result = loss.discriminatorLoss(real: realPass.logits, fake: fakePass.logits, averages: statistics.lecam)
            graph.backward(from: result.total)
            try expect(channelsFirst(realPass.logits.value), "outputs/logits_real")
            try expect(channelsFirst(fakePass.logits.value), "outputs/logits_fake")
            try arrays.expectGradient(channelsFirst(try #require(real.gradient)), near: "step\(step)/grads/real_of_total")
            try arrays.expectGradients(gradients, of: layout, table: "step\(step)/grads/params_of_total")

            statistics = statistics.updated(sums: statistics.sums(real: realPass, fake: fakePass, images: images), images: images)
            for buffer in statistics.buffers where buffer.name.hasPrefix("disc.") {
                try expect(try #require(statistics[buffer.name]), "outputs/buffers/\(buffer.name)")
            }
            #expect(statistics.buffers.count == (try arrays.children(of: "step\(step)/outputs/buffers")).count + 2)
            let scalars = [
                result.hinge, result.lecam, result.total.value.scalar, g.value.scalar, statistics.lecam.real, statistics.lecam.fake,
            ]
            try expect(scalars, "outputs/scalars")
            // The averages are about 1e-4: their digits say more than the distance to losses of 1 allows.
            for (got, want) in zip(scalars, try arrays.floats("step\(step)/outputs/scalars")) {
                #expect(abs(got - want) <= 1e-5 * abs(want) + 1e-10, "step \(step): \(got), want \(want)")
            }
        }
        let graph = Graph(weights: weights, pool: pool)
        let logits = discriminator(graph.constant(try arrays.map("step0/inputs/real")), statistics: statistics)
        try arrays.expect(channelsFirst(logits.value), near: "outputs/eval_logits_real0_after_steps")
    }

    @Test(.enabled(if: Fixtures.exist("07_"), Fixtures.skipped), arguments: try FixtureCase.all("07_"))
    func matchesGoldenShareOfTheGeneratorLoss(_ fixture: FixtureCase) throws {
        let (arrays, settings) = (try fixture.open(), fixture.settings)
        let (discriminator, layout) = discriminator(channels: settings.integer("disc_ndf"), layers: settings.integer("disc_layers"))
        let weights = try arrays.hashedWeights(for: layout) { !$0.hasPrefix("disc.") }
        let graph = Graph(weights: weights, gradients: Tensor(zeros: [layout.count]), pool: ThreadPool(threads: 1))
        let image = graph.input(try arrays.map("outputs/x_hat"))
        let pass = graph.frozen { discriminator(image) }
        let g = AdversarialLoss().generatorLoss(pass.logits)
        try arrays.expect(channelsFirst(pass.logits.value), near: "outputs/disc_logits_fake")
        let want = settings.group("terms").double("gan")
        #expect(abs(Double(g.value.scalar) - want) <= 1e-5, "\(g.value.scalar), want \(want)")
        graph.backward(from: g)
        try arrays.expectGradient(channelsFirst(try #require(image.gradient)), near: "grads/x_hat_gan")
    }
}

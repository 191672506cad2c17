import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

@Suite struct DiscriminatorStatisticsTests {
    @Test func buffersAndStart() {
        let (discriminator, _) = discriminator(channels: 4, layers: 2)
        let start = DiscriminatorStatistics(startOf: discriminator)
        #expect(
            start.buffers.map(\.name) == [
                "disc.main.3.running_mean", "disc.main.3.running_var", "disc.main.6.running_mean", "disc.main.6.running_var",
                "lecam_ema.logits_real_ema", "lecam_ema.logits_fake_ema",
            ])
        #expect(start.buffers.map(\.range) == [0..<8, 8..<16, 16..<32, 32..<48, 48..<49, 49..<50])
        #expect(start.values.count == 50 && start.sumCount == 98)
        #expect(start["disc.main.3.running_mean"] == [Float](repeating: 0, count: 8))
        #expect(start["disc.main.6.running_var"] == [Float](repeating: 1, count: 16))
        #expect(start["disc.main.9.running_var"] == nil && start.lecam == LeCamAverages())
    }

    @Test func sumsOfTheFullSize() {
        let (discriminator, _) = discriminator(channels: 64, layers: 3)
        #expect(DiscriminatorStatistics(startOf: discriminator).sumCount == 4 * (128 + 256 + 512) + 2)
    }

    /// Slots of 2 and 3 images: their sums added and divided once are averages weighted by images, towards which everything moves in order.
    @Test func slotsAreAveragedByImages() throws {
        let (discriminator, layout) = discriminator(channels: 4, layers: 2)
        let graph = Graph(weights: layout.initialWeights(seed: 1), pool: ThreadPool(threads: 1))
        let start = DiscriminatorStatistics(startOf: discriminator)
        func passes(_ count: Int) -> (real: PatchDiscriminator.Pass, fake: PatchDiscriminator.Pass) {
            (
                discriminator(graph.constant(randomTensor([count, 16, 16, 3], key: "real\(count)"))),
                discriminator(graph.constant(randomTensor([count, 16, 16, 3], key: "fake\(count)")))
            )
        }
        let (a, b) = (passes(2), passes(3))
        let sums = zip(start.sums(real: a.real, fake: a.fake, images: 2), start.sums(real: b.real, fake: b.fake, images: 3)).map { $0 + $1 }
        #expect(sums.count == start.sumCount)
        let once = start.updated(sums: sums, images: 5)
        let twice = once.updated(sums: sums, images: 5)

        func weighted(_ value: (PatchDiscriminator.Pass) -> Double) -> (real: Double, fake: Double) {
            ((2 * value(a.real) + 3 * value(b.real)) / 5, (2 * value(a.fake) + 3 * value(b.fake)) / 5)
        }
        func close(_ got: Float, _ want: Double, _ what: String) {
            #expect(abs(Double(got) - want) <= 1e-6 * max(abs(want), 1e-3), "\(what): \(got), want \(want)")
        }
        for (norm, name) in [(0, "disc.main.3"), (1, "disc.main.6")] {
            for (part, first) in [("running_mean", 0.0), ("running_var", 1.0)] {
                let values = (try #require(once[name + "." + part]), try #require(twice[name + "." + part]))
                for c in values.0.indices {
                    let (real, fake) = weighted {
                        part == "running_mean" ? $0.statistics[norm].means[c] : $0.statistics[norm].unbiasedVariances[c]
                    }
                    var want = first
                    for batch in [fake, real, fake] { want = 0.9 * want + 0.1 * batch }
                    close(values.0[c], want, "\(name).\(part)[\(c)]")
                    for batch in [fake, real, fake] { want = 0.9 * want + 0.1 * batch }
                    close(values.1[c], want, "\(name).\(part)[\(c)] after two steps")
                }
            }
        }
        let logits = weighted { pass in pass.logits.value.elements.reduce(0) { $0 + Double($1) } / Double(pass.logits.value.count) }
        close(once.lecam.real, 0.001 * logits.real, "LeCam's average of real logits")
        close(once.lecam.fake, 0.001 * logits.fake, "LeCam's average of fake logits")
        close(twice.lecam.fake, (0.999 * 0.001 + 0.001) * logits.fake, "the same after two steps")
    }

    @Test func aStepWithoutImagesChangesNothing() {
        let (discriminator, _) = discriminator(channels: 4, layers: 2)
        let start = DiscriminatorStatistics(startOf: discriminator)
        #expect(start.updated(sums: [Float](repeating: 0, count: start.sumCount), images: 0) == start)
    }

    @Test func valuesFromACheckpoint() {
        let (discriminator, _) = discriminator(channels: 4, layers: 2)
        let start = DiscriminatorStatistics(startOf: discriminator)
        let loaded = start.with(values: start.values.indices.map(Float.init))
        #expect(loaded["disc.main.6.running_mean"] == (16..<32).map(Float.init))
        #expect(loaded.lecam == LeCamAverages(real: 48, fake: 49) && loaded != start)
    }

    /// In evaluation an image's logits do not depend on its batch; in training they do.
    @Test func evaluationTreatsImagesAlone() {
        let (discriminator, layout) = discriminator(channels: 4, layers: 2)
        let graph = Graph(weights: layout.initialWeights(seed: 1), pool: ThreadPool(threads: 1))
        let start = DiscriminatorStatistics(startOf: discriminator)
        let images = randomTensor([3, 16, 16, 3], key: "images")
        let first = graph.constant(images.slice(from: 0, [1, 16, 16, 3]))
        let together = discriminator(graph.constant(images), statistics: start).value.elements
        let alone = discriminator(first, statistics: start).value.elements
        #expect(Array(together.prefix(alone.count)) == alone)
        #expect(Array(discriminator(graph.constant(images)).logits.value.elements.prefix(alone.count)) != discriminator(first).logits.value.elements)
    }
}

import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

/// A discriminator under its official name.
func discriminator(channels: Int, layers: Int) -> (PatchDiscriminator, ParameterLayout) {
    ParameterLayout.build { PatchDiscriminator($0 / "disc", PatchDiscriminatorConfiguration(channels: channels, layers: layers)) }
}

@Suite struct PatchDiscriminatorTests {
    /// Spec 5; spec 14, row 14.
    @Test(arguments: [(64, 3, 2_765_633), (16, 3, 175_313), (16, 2, 42_961)])
    func parameterCounts(_ channels: Int, _ layers: Int, _ count: Int) {
        #expect(discriminator(channels: channels, layers: layers).1.count == count)
    }

    @Test func officialNames() {
        let (_, layout) = discriminator(channels: 8, layers: 3)
        let names = [
            "0.weight", "0.bias", "2.weight", "3.weight", "3.bias", "5.weight", "6.weight", "6.bias", "8.weight", "9.weight", "9.bias",
            "11.weight", "11.bias",
        ]
        #expect(layout.parameters.map(\.name) == names.map { "disc.main." + $0 })
        #expect(layout.parameters.map(\.officialShape[0]) == [8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64, 1, 1])
    }

    /// Convolution weights N(0, 0.02²), biases PyTorch's default.
    @Test func initialWeights() throws {
        let (_, layout) = discriminator(channels: 16, layers: 3)
        let weights = layout.initialWeights(seed: 1)
        for parameter in layout.parameters where parameter.shape.rank == 4 {
            let values = parameter.official(from: weights).map(Double.init)
            let deviation = (values.reduce(0) { $0 + $1 * $1 } / Double(values.count)).squareRoot()
            #expect(abs(deviation - 0.02) < 0.002, "\(parameter.name)")
        }
        let bias = try #require(layout.parameter(named: "disc.main.0.bias")).official(from: weights)
        #expect(bias.contains { abs($0) > 0.05 } && bias.allSatisfy { abs($0) <= 1 / Float(48).squareRoot() })
    }

    /// Spec 5: 256² → 30², 128² → 14², 64² → 6², 32² → 2².
    @Test(arguments: [(256, 3, 30), (128, 3, 14), (64, 3, 6), (32, 3, 2), (24, 3, 1), (23, 3, 0), (1, 3, 0), (64, 2, 14), (12, 2, 1), (11, 2, 0)])
    func logitSizes(_ image: Int, _ layers: Int, _ logits: Int) {
        let configuration = PatchDiscriminatorConfiguration(channels: 1, layers: layers)
        #expect(configuration.logitSize(image) == logits)
        #expect((image >= configuration.smallestImageSize) == (logits > 0))
    }

    @Test(arguments: [(32, 32), (24, 24), (33, 47)])
    func logitsHaveTheirSize(_ height: Int, _ width: Int) {
        let (discriminator, layout) = discriminator(channels: 4, layers: 3)
        let graph = Graph(weights: layout.initialWeights(seed: 1), pool: ThreadPool(threads: 1))
        let image = graph.constant(randomTensor([2, height, width, 3], key: "image"))
        let pass = discriminator(image)
        #expect(pass.logits.shape == [2, discriminator.logitSize(height), discriminator.logitSize(width), 1])
        #expect(pass.logits.value.isFinite && pass.statistics.map(\.means.count) == [8, 16, 32])
        #expect(discriminator(image, statistics: DiscriminatorStatistics(startOf: discriminator)).shape == pass.logits.shape)
    }

    @Test func tooSmallImagesAreRefusedWithTheSizes() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let (discriminator, layout) = discriminator(channels: 2, layers: 3)
            let graph = Graph(weights: layout.initialWeights(seed: 1), pool: ThreadPool(threads: 1))
            _ = discriminator(graph.constant(Tensor(zeros: [1, 32, 16, 3])))
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.contains("16 × 32 pixels") && text.contains("24 × 24"), "\(text)")
    }

    /// The generator's loss moves the image and leaves the discriminator's gradient exactly zero; the discriminator's loss does the reverse, and
    /// what it leaves is the same whether the generator's pass ran before it or not.
    @Test func theTwoLossesDoNotMix() throws {
        let (discriminator, layout) = discriminator(channels: 8, layers: 3)
        let weights = layout.initialWeights(seed: 2)
        let (real, fake) = (randomTensor([2, 32, 32, 3], key: "real"), randomTensor([2, 32, 32, 3], key: "fake"))
        let loss = AdversarialLoss()

        func run(generator: Bool) throws -> [Float] {
            let gradients = Tensor(zeros: [layout.count])
            let graph = Graph(weights: weights, gradients: gradients, pool: ThreadPool(threads: 1))
            let image = graph.input(fake)
            if generator {
                graph.backward(from: loss.generatorLoss(graph.frozen { discriminator(image) }.logits))
                #expect(gradients.elements.allSatisfy { $0 == 0 })
                #expect(try #require(image.gradient).elements.contains { $0 != 0 })
            }
            let before = image.gradient?.elements
            let (realPass, fakePass) = (discriminator(graph.constant(real)), discriminator(graph.constant(image.value)))
            graph.backward(
                from: loss.discriminatorLoss(real: realPass.logits, fake: fakePass.logits, averages: LeCamAverages()).total)
            #expect(image.gradient?.elements == before)
            return gradients.elements
        }
        let alone = try run(generator: false)
        #expect(alone.contains { $0 != 0 })
        #expect(try run(generator: true) == alone)
    }

    @Test func bitsDoNotDependOnThreads() throws {
        let (discriminator, layout) = discriminator(channels: 8, layers: 3)
        let weights = layout.initialWeights(seed: 2)
        let images = randomTensor([3, 64, 64, 3], key: "images")
        func run(_ threads: Int) throws -> [[UInt32]] {
            let gradients = Tensor(zeros: [layout.count])
            let graph = Graph(weights: weights, gradients: gradients, pool: ThreadPool(threads: threads))
            let image = graph.input(images)
            let pass = discriminator(image)
            let loss = AdversarialLoss().generatorLoss(pass.logits)
            graph.backward(from: loss)
            let statistics = pass.statistics.flatMap { $0.means + $0.unbiasedVariances }.map { Float($0) }
            let evaluated = discriminator(image, statistics: DiscriminatorStatistics(startOf: discriminator)).value.elements
            let imageGradient = try #require(image.gradient).elements
            return [pass.logits.value.elements, statistics, evaluated, imageGradient, gradients.elements].map { $0.map(\.bitPattern) }
        }
        let want = try run(1)
        for threads in 2...4 { #expect(try run(threads) == want, "\(threads) threads") }
    }
}

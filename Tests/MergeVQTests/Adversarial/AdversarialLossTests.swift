import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

/// The losses against the numbers of spec 13 and central differences.
@Suite struct AdversarialLossTests {
    private let loss = AdversarialLoss()

    private func graph() -> Graph {
        Graph(weights: Tensor(zeros: [0]), gradients: Tensor(zeros: [0]), pool: ThreadPool(threads: 1))
    }

    /// Spec 13: LeCam's first step.
    @Test func goldenNumbers() {
        let graph = graph()
        let real = graph.input(Tensor([0.5, -0.2], [1, 2, 1, 1]))
        let fake = graph.input(Tensor([-0.3, 0.1], [1, 2, 1, 1]))
        let result = loss.discriminatorLoss(real: real, fake: fake, averages: LeCamAverages())
        #expect(abs(result.lecam - 0.1700950162) < 2e-8)
        #expect(abs(result.hinge - 0.875) < 1e-7)
        #expect(abs(result.total.value.scalar - (0.875 + 0.001700950162)) < 1e-7)
        #expect(abs(loss.generatorLoss(fake).value.scalar - 0.7443966601) < 1e-7)
        #expect(abs(AdversarialLoss(generator: .hinge).generatorLoss(fake).value.scalar - 0.1) < 1e-7)
    }

    /// One image's logits are averaged before the softplus, not after.
    @Test func nonSaturatingAveragesOverAnImageFirst() {
        let fake = graph().input(Tensor([3, -3, 1, 1], [2, 2, 1, 1]))
        #expect(abs(loss.generatorLoss(fake).value.scalar - (0.6931471806 + 0.3132616875) / 2) < 1e-7)
    }

    @Test func farAwayLogitsStayFinite() throws {
        for x: Float in [-1e4, -200, 200, 1e4] {
            let graph = graph()
            let fake = graph.input(Tensor(filledWith: x, [1, 2, 2, 1]))
            let g = loss.generatorLoss(fake)
            #expect(g.value.scalar == max(0, -x))
            graph.backward(from: g)
            #expect(try #require(fake.gradient).elements == [Float](repeating: x < 0 ? -0.25 : 0, count: 4))
        }
    }

    @Test func notANumberIsNotHidden() {
        let graph = graph()
        let (good, bad) = (graph.input(Tensor(zeros: [1, 2, 1, 1])), graph.input(Tensor([0, .nan], [1, 2, 1, 1])))
        for kind in AdversarialLoss.Generator.allCases { #expect(AdversarialLoss(generator: kind).generatorLoss(bad).value.scalar.isNaN) }
        for (real, fake) in [(good, bad), (bad, good)] {
            let result = loss.discriminatorLoss(real: real, fake: fake, averages: LeCamAverages())
            #expect(result.hinge.isNaN && result.lecam.isNaN && result.total.value.scalar.isNaN)
        }
        #expect(AdversarialLoss.adaptiveWeight(reconstructionGradientNorm: .nan, generatorGradientNorm: 1).isNaN)
        #expect(AdversarialLoss.adaptiveWeight(reconstructionGradientNorm: 1, generatorGradientNorm: .nan).isNaN)
    }

    @Test(arguments: AdversarialLoss.Generator.allCases)
    func generatorGradient(_ kind: AdversarialLoss.Generator) {
        checkGradient(of: [randomTensor([3, 2, 3, 1], key: "fake", scale: 3)], named: "generator", step: 3e-3) {
            AdversarialLoss(generator: kind).generatorLoss($0[0])
        }
    }

    /// The averages are numbers: gradients of the regulariser are those with fixed averages.
    @Test func lecamGradient() {
        checkGradient(
            of: [randomTensor([2, 3, 3, 1], key: "real", scale: 2), randomTensor([2, 3, 3, 1], key: "fake", scale: 2)], named: "LeCam",
            step: 3e-3
        ) { AdversarialLoss.lecam(real: $0[0], fake: $0[1], averages: LeCamAverages(real: 0.4, fake: -0.3)) }
    }

    /// Hinge and regulariser together, in closed form: the averages are those moved by the batch, and numbers.
    @Test func discriminatorGradient() throws {
        let (real, fake) = (randomTensor([2, 3, 3, 1], key: "real", scale: 2), randomTensor([2, 3, 3, 1], key: "fake", scale: 2))
        let graph = graph()
        let (x, y) = (graph.input(real), graph.input(fake))
        graph.backward(from: loss.discriminatorLoss(real: x, fake: y, averages: LeCamAverages(real: 0.4, fake: -0.3)).total)
        let n = Double(real.count)
        func mean(_ t: Tensor) -> Double { t.elements.reduce(0) { $0 + Double($1) } / n }
        let (averageReal, averageFake) = (0.999 * 0.4 + 0.001 * mean(real), -0.999 * 0.3 + 0.001 * mean(fake))
        for (value, gradient) in zip(real.elements, try #require(x.gradient).elements) {
            let want = (value < 1 ? -0.5 : 0) + 0.01 * 2 * max(0, Double(value) - averageFake)
            #expect(abs(Double(gradient) - want / n) < 1e-7)
        }
        for (value, gradient) in zip(fake.elements, try #require(y.gradient).elements) {
            let want = (value > -1 ? 0.5 : 0) - 0.01 * 2 * max(0, averageReal - Double(value))
            #expect(abs(Double(gradient) - want / n) < 1e-7)
        }
    }

    @Test func adaptiveWeight() {
        func weight(_ reconstruction: Double, _ generator: Double) -> Double {
            AdversarialLoss.adaptiveWeight(reconstructionGradientNorm: reconstruction, generatorGradientNorm: generator)
        }
        #expect(abs(weight(3, 1.9999) - 0.8 * 1.5) < 1e-12)
        #expect(weight(2, 0) == 8000, "at most 10⁴")
        #expect(weight(0, 1) == 0)
    }
}

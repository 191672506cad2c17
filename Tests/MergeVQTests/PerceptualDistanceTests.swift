import Foundation
import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

/// The perceptual distance with random weights of a narrow network.
@Suite struct PerceptualDistanceTests {
    private func evaluate(
        _ reconstruction: Tensor, _ image: Tensor, seed: UInt64 = 1, width: Int = 8, recomputation: Recomputation = .none, threads: Int = 1
    ) throws -> (distances: [Float], gradient: [Float]) {
        let (distance, layout) = PerceptualDistance.build(width: width)
        let graph = Graph(
            weights: Tensor(zeros: [0]), gradients: Tensor(zeros: [0]), recomputation: recomputation, pool: ThreadPool(threads: threads))
        let x = graph.input(reconstruction)
        let result = distance(x, to: image, weights: layout.initialWeights(seed: seed))
        let values = result.value.elements
        graph.backward(from: result)
        return (values, try #require(x.gradient).elements)
    }

    @Test func namesAndShapesAreTheOfficialOnes() {
        let (distance, layout) = PerceptualDistance.build()
        #expect(distance.features.channels == [64, 128, 256, 512, 512])
        // VGG16's convolutions have 14,714,688 parameters, and each of the 1472 channels has a weight.
        #expect(layout.count == 14_714_688 + 1472)
        let indices = [[0, 2], [5, 7], [10, 12, 14], [17, 19, 21], [24, 26, 28]]
        let convolutions = indices.enumerated().flatMap { stage, indices in
            indices.flatMap { index in ["weight", "bias"].map { "net.slice\(stage + 1).\(index).\($0)" } }
        }
        #expect(layout.parameters.map(\.name) == convolutions + (0..<5).map { "lin\($0).model.1.weight" })
        #expect(layout.parameter(named: "net.slice3.10.weight")?.officialShape == [256, 128, 3, 3])
        #expect(layout.parameter(named: "lin2.model.1.weight")?.officialShape == [1, 256, 1, 1])
    }

    @Test func randomWeightsAreAFunctionOfTheSeed() {
        let (_, layout) = PerceptualDistance.build(width: 4)
        let weights = layout.initialWeights(seed: 5).elements.map(\.bitPattern)
        #expect(layout.initialWeights(seed: 5).elements.map(\.bitPattern) == weights)
        #expect(layout.initialWeights(seed: 6).elements.map(\.bitPattern) != weights)
        for parameter in layout.parameters where parameter.name.hasPrefix("lin") {
            #expect(parameter.official(from: layout.initialWeights(seed: 5)).allSatisfy { $0 > 0 })
        }
    }

    @Test func equalImagesHaveDistanceZeroAndOthersHaveNot() throws {
        let image = randomTensor([2, 32, 24, 3], key: "image")
        #expect(try evaluate(image, image).distances == [0, 0])
        // The second image only.
        let other = image.copied()
        other.slice(from: other.count / 2, [other.count / 2]).copyInPlace(from: randomTensor([other.count / 2], key: "other"))
        let distances = try evaluate(other, image).distances
        #expect(distances[0] == 0 && distances[1] > 0.1 && distances[1] < 10, "\(distances)")
    }

    /// The more noise, the farther.
    @Test func distanceGrowsWithTheDamage() throws {
        let smooth = Tensor(
            (0..<(64 * 64 * 3)).map { i in
                let (row, column, c) = (i / 192, i / 3 % 64, i % 3)
                return Float(sin(Double(row) / 5 + Double(c)) * cos(Double(column * (c + 1)) / 9)) * 0.7
            }, [1, 64, 64, 3])
        let noise = randomTensor(smooth.shape, key: "noise").elements
        let distances = try [0.01, 0.05, 0.2, 0.5].map { strength in
            let noisy = Tensor(zip(smooth.elements, noise).map { $0 + Float(strength) * $1 }, smooth.shape)
            return try evaluate(noisy, smooth).distances[0]
        }
        #expect(distances == distances.sorted() && distances[0] > 0 && distances[3] > 0.1, "\(distances)")
    }

    /// Down the gradient the distance falls as the gradient says.
    @Test func gradientPointsUphill() throws {
        let image = randomTensor([1, 32, 32, 3], key: "image")
        let start = randomTensor([1, 32, 32, 3], key: "start")
        let (before, gradient) = try evaluate(start, image)
        let steepness = gradient.reduce(0.0) { $0 + Double($1) * Double($1) }
        let step = Float(0.002 * Double(before[0]) / steepness)
        let after = try evaluate(Tensor(zip(start.elements, gradient).map { $0 - step * $1 }, start.shape), image).distances
        let (fall, expected) = (Double(before[0] - after[0]), Double(step) * steepness)
        #expect(abs(fall - expected) < 0.1 * expected, "fell by \(fall), the gradient says \(expected)")
    }

    @Test func noBitDependsOnThreadsOrRecomputation() throws {
        let (image, other) = (randomTensor([2, 48, 33, 3], key: "image"), randomTensor([2, 48, 33, 3], key: "other"))
        func bits(_ recomputation: Recomputation, _ threads: Int) throws -> [[UInt32]] {
            let (distances, gradient) = try evaluate(other, image, width: 16, recomputation: recomputation, threads: threads)
            return [distances.map(\.bitPattern), gradient.map(\.bitPattern)]
        }
        let want = try bits(.none, 1)
        #expect(want[1].contains { $0 << 1 != 0 })
        for threads in [2, 3] { #expect(try bits(.none, threads) == want, "\(threads) threads") }
        #expect(try bits(.blocks, 2) == want)
    }

    /// The trained model's graph gets no gradient from the network, and the mean is the mean.
    @Test func onlyTheReconstructionGetsAGradient() throws {
        let (distance, layout) = PerceptualDistance.build(width: 4)
        let weights = layout.initialWeights(seed: 1)
        let gradients = Tensor(zeros: [layout.count])
        // A graph over the same layout would show a gradient that went astray.
        let graph = Graph(weights: weights, gradients: gradients, pool: ThreadPool(threads: 1))
        let image = randomTensor([3, 16, 16, 3], key: "image")
        let x = graph.input(randomTensor([3, 16, 16, 3], key: "other"))
        let mean = distance.mean(of: x, to: image, weights: weights)
        graph.backward(from: mean)
        #expect(try #require(x.gradient).elements.contains { $0 != 0 })
        #expect(gradients.elements.allSatisfy { $0 == 0 })
        let each = try evaluate(x.value, image, width: 4).distances
        #expect(abs(mean.value.scalar - each.reduce(0, +) / 3) < 1e-6)
    }
}

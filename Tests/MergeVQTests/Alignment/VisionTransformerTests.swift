import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

/// What every teacher satisfies, whatever its weights.
@Suite struct VisionTransformerTests {
    private func teacher(patch: Int, grid: Int, positions: PositionResampling = .offset01) -> (VisionTransformer, Tensor) {
        let (teacher, layout) = VisionTransformer.build(
            VisionTransformerConfiguration(patchSize: patch, width: 32, blocks: 2, heads: 4, grid: grid, positions: positions))
        return (teacher, layout.initialWeights(seed: 5))
    }

    /// Counted from the sizes of facebook/dinov2-base and -small, less the mask token.
    @Test(arguments: [(VisionTransformerConfiguration.dinov2Base, 86_579_712), (.dinov2Small, 22_056_192)])
    func parameterCounts(_ configuration: VisionTransformerConfiguration, _ count: Int) {
        #expect(VisionTransformer.build(configuration).1.count == count)
    }

    @Test("views of all sizes that divide into patches", arguments: [(14, 56, 56), (14, 70, 28), (8, 64, 64), (16, 64, 64), (8, 8, 8)])
    func views(_ patch: Int, _ height: Int, _ width: Int) {
        let (teacher, weights) = teacher(patch: patch, grid: 5)
        let images = randomTensor([2, height, width, 3], key: "views")
        let features = teacher(images, weights: weights, pool: ThreadPool(threads: 1))
        #expect(features.shape == [2, 32] && features.isFinite)
        // An image's feature does not depend on its batch, the bits not on the threads.
        let second = teacher(images.slice(from: height * width * 3, [1, height, width, 3]), weights: weights, pool: ThreadPool(threads: 3))
        #expect(zip(features.elements.suffix(32), second.elements).allSatisfy { abs($0 - $1) < 1e-5 })
        #expect(teacher(images, weights: weights, pool: ThreadPool(threads: 3)).elements == features.elements)
        #expect(Array(features.elements.prefix(32)) != Array(features.elements.suffix(32)), "it sees the image")
    }

    /// Without blocks the feature is the normalised sum of class token and its position; of numbers as small as these ε is half of the variance.
    @Test func finalNorm() {
        let (teacher, layout) = VisionTransformer.build(
            VisionTransformerConfiguration(patchSize: 8, width: 4, blocks: 0, heads: 1, grid: 2))
        let weights = layout.initialWeights(seed: 1)
        layout.parameter(named: "teacher.embeddings.cls_token")?.setOfficial([0.002, -0.001, 0, 0.001], in: weights)
        layout.parameter(named: "teacher.embeddings.position_embeddings")?.setOfficial(
            [-0.001, 0, 0, -0.002] + [Float](repeating: 1, count: 16), in: weights)
        let feature = teacher(randomTensor([1, 8, 8, 3], key: "view"), weights: weights, pool: ThreadPool(threads: 1)).elements
        let sums = [0.001, -0.001, 0, -0.001]
        let mean = sums.reduce(0, +) / 4
        let variance = sums.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 4
        for (got, sum) in zip(feature, sums) { #expect(abs(Double(got) - (sum - mean) / (variance + 1e-6).squareRoot()) < 1e-4) }
    }

    /// A grid of the table's own size gets the table; a table of one value everywhere keeps it, because the weights of a sample add up to one.
    @Test(arguments: PositionResampling.allCases)
    func positionTables(_ positions: PositionResampling) throws {
        let (teacher, weights) = teacher(patch: 8, grid: 6, positions: positions)
        let (_, layout) = VisionTransformer.build(teacher.configuration)
        let parameter = try #require(layout.parameter(named: "teacher.embeddings.position_embeddings"))
        let pool = ThreadPool(threads: 1)
        let table = parameter.official(from: weights)
        #expect(teacher.positions(rows: 6, columns: 6, of: Graph(weights: weights, pool: pool)).elements == table)
        for (rows, columns) in [(4, 4), (3, 9), (1, 1), (13, 6)] {
            let resampled = teacher.positions(rows: rows, columns: columns, of: Graph(weights: weights, pool: pool))
            #expect(resampled.shape == [1 + rows * columns, 32])
            #expect(Array(resampled.elements.prefix(32)) == Array(table.prefix(32)), "the class token's position stays")
            let even = weights.copied()
            parameter.setOfficial((0..<parameter.count).map { Float($0 % 32) }, in: even)
            let constant = teacher.positions(rows: rows, columns: columns, of: Graph(weights: even, pool: pool)).elements
            for (i, value) in constant.enumerated() where abs(value - Float(i % 32)) > 1e-4 {
                Issue.record("\(rows)x\(columns), element \(i): \(value)")
                break
            }
        }
    }

    /// An 11×11 table brought to a single position: the middle entry, or with the offset, half way between the middle four.
    @Test func samplePositions() throws {
        for (positions, weightsOf) in [
            (PositionResampling.size, [5: 1.0]), (.offset01, [3: -0.09375, 4: 0.59375, 5: 0.59375, 6: -0.09375]),
        ] {
            let (teacher, weights) = teacher(patch: 8, grid: 11, positions: positions)
            let (_, layout) = VisionTransformer.build(teacher.configuration)
            let parameter = try #require(layout.parameter(named: "teacher.embeddings.position_embeddings"))
            let table = parameter.official(from: weights)
            let got = teacher.positions(rows: 1, columns: 1, of: Graph(weights: weights, pool: ThreadPool(threads: 1))).elements
            for channel in 0..<32 {
                var expected = 0.0
                for (y, down) in weightsOf {
                    for (x, across) in weightsOf { expected += down * across * Double(table[(1 + y * 11 + x) * 32 + channel]) }
                }
                #expect(abs(Double(got[32 + channel]) - expected) < 1e-6, "\(positions), channel \(channel)")
            }
        }
    }
}

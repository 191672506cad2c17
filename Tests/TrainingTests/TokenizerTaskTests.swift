import Fleet
import ImageData
import MergeVQ
import NeuralNet
import TensorCore
import Testing
import Training

/// (weights, slot) → gradient sum, count and loss sums.
@Suite struct TokenizerTaskTests {
    private let task: TokenizerTask
    private let pool = ThreadPool(threads: 1)

    init() throws { task = try TokenizerTask(SmallModel.configuration) }

    private var weights: Tensor { task.layout.initialWeights(seed: 4) }

    private func result(
        _ images: [(sample: Int, name: String, bytes: [UInt8])], of task: TokenizerTask? = nil, step: Int = 9, kept: Int = 36,
        pool: ThreadPool? = nil
    ) throws -> Tensor {
        let task = task ?? self.task
        let result = Tensor(filledWith: .nan, [task.resultCount])
        try task.computeSlot(weights: weights, images: images, step: step, slot: 3, kept: kept, into: result, pool: pool ?? self.pool)
        return result
    }

    /// The model run by hand on the same crops: gradient and terms of the mean loss.
    private func mean(_ images: [(sample: Int, name: String, bytes: [UInt8])], step: Int, kept: Int) throws -> (
        gradient: [Float], terms: [Float]
    ) {
        let transform = ImageTransform(size: 16, purpose: .training, seed: 1)
        let batch = Tensor(uninitialised: [images.count, 16, 16, 3])
        for (i, image) in images.enumerated() {
            let picture = try JPEG.decode(image.bytes, file: image.name)
            batch.slice(from: i * 768, [768]).withElements { transform(picture, step: step, sample: image.sample, into: $0) }
        }
        let gradient = Tensor(zeros: [task.layout.count])
        let graph = Graph(weights: weights, gradients: gradient, pool: pool)
        let pass = task.tokenizer(graph.constant(batch), kept: kept)
        let loss = task.tokenizer.loss(of: pass, images: batch, weights: task.configuration.lossWeights)
        graph.backward(from: loss.total)
        return (gradient.elements, loss.terms)
    }

    private func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

    @Test func aSlotIsItsCountTimesTheMean() throws {
        let images = try SmallModel.images(3)
        let slot = try result(images).elements
        let (gradient, terms) = try mean(images, step: 9, kept: 36)
        let count = task.layout.count
        #expect(slot.count == count + 1 + Tokenizer.termNames.count && slot[count] == 3)
        for (i, term) in terms.enumerated() { #expect(slot[count + 1 + i] == term * 3, "\(Tokenizer.termNames[i])") }
        let norm = norm(gradient.map(Double.init))
        let error = self.norm(zip(slot, gradient).map { Double($0) / 3 - Double($1) })
        #expect(norm > 1e-3 && error < 1e-5 * norm, "error \(error) of \(norm)")
    }

    /// Terms are means over the batch, except for the batch entropy: without it a slot is the sum of its images.
    @Test func withoutTheBatchEntropyASlotIsTheSumOfItsImages() throws {
        var configuration = SmallModel.configuration
        configuration.losses.entropy = 0
        let task = try TokenizerTask(configuration)
        let images = try SmallModel.images(3)
        let slot = try result(images, of: task).elements
        let single = try images.map { try result([$0], of: task).elements }
        let norm = norm(slot.prefix(task.layout.count).map(Double.init))
        let error = self.norm((0..<task.layout.count).map { i in Double(slot[i]) - single.reduce(0.0) { $0 + Double($1[i]) } })
        #expect(norm > 1e-3 && error < 1e-4 * norm, "error \(error) of \(norm)")
    }

    @Test func theOutcomeIsTheMeanByName() throws {
        let images = try SmallModel.images(4)
        let sum = try result(Array(images[..<3]))
        sum.accumulateInPlace(try result(Array(images[3...])), pool: ThreadPool(threads: 1))
        let before = sum.elements
        let outcome = task.vectors.outcome(of: sum, pool: pool)
        #expect(outcome.images == 4 && outcome.terms.map(\.name) == Tokenizer.termNames)
        #expect(outcome.gradient.elements == before.prefix(task.layout.count).map { $0 * 0.25 })
        let terms = Dictionary(uniqueKeysWithValues: outcome.terms.map { ($0.name, $0.value) })
        let weighted =
            terms["reconstruction", default: .nan] + 0.1
            * (terms["entropy_per_sample", default: .nan] - terms["entropy_batch", default: .nan])
            + 0.25 * terms["commitment", default: .nan] + 0.5 * terms["source_recovery", default: .nan]
        #expect(abs(terms["loss", default: .nan] - weighted) < 1e-5, "loss \(terms), weighted sum \(weighted)")
    }

    @Test func anEmptySlotIsZero() throws {
        #expect(bits(try result([])).allSatisfy { $0 == 0 })
        let outcome = task.vectors.outcome(of: Tensor(zeros: [task.resultCount]), pool: pool)
        #expect(outcome.images == 0 && outcome.gradient.elements.allSatisfy { $0 == 0 } && outcome.terms.allSatisfy { $0.value == 0 })
    }

    @Test func theNumberOfThreadsMovesNoBit() throws {
        let images = try SmallModel.images(5)
        let one = bits(try result(images))
        for threads in [2, 3] { #expect(bits(try result(images, pool: ThreadPool(threads: threads))) == one, "\(threads) threads") }
    }

    @Test func stepSampleAndKeptTokensMatter() throws {
        let images = try SmallModel.images(2)
        let one = bits(try result(images))
        #expect(bits(try result(images)) == one)
        #expect(bits(try result(images, step: 10)) != one, "another step, other crops")
        #expect(bits(try result(images, kept: 25)) != one)
        #expect(
            bits(try result(images.map { (sample: $0.sample + 1, name: $0.name, bytes: $0.bytes) })) != one,
            "other sample ids, other crops")
    }

    /// The first bad image in order is named, whichever thread meets one first.
    @Test(arguments: [1, 3]) func aBadImageIsNamed(threads: Int) throws {
        var images = try SmallModel.images(5)
        images[2].bytes.removeLast(images[2].bytes.count / 2)
        images[4].bytes = Array("not an image".utf8)
        #expect(throws: ImageError.truncated(file: "picture-2.JPEG")) {
            try result(images, pool: ThreadPool(threads: threads))
        }
    }

    /// A worker adds up its block depth first, the coordinator whatever blocks arrive in whatever order: the bits are the same.
    @Test func theTreeOverBlocksEqualsTheDepthFirstSum() throws {
        let images = try SmallModel.images(12)
        // The last slot is empty, as at the end of an epoch.
        let slots = try (0..<8).map { slot in try result(Array(images[min(12, slot * 2)..<min(12, slot * 2 + 2)])) }

        func sum(_ block: SlotBlock) -> Tensor {
            guard let (left, right) = block.children else { return slots[block.slots.lowerBound].copied() }
            let result = sum(left)
            result.accumulateInPlace(sum(right), pool: pool)
            return result
        }
        let expected = bits(sum(.all(slots: 8)))

        let partitions: [[(level: Int, index: Int)]] = [
            [(3, 0)], [(2, 1), (2, 0)], [(0, 5), (1, 0), (0, 4), (1, 1), (1, 3)], [7, 2, 4, 0, 6, 1, 5, 3].map { (0, $0) },
            [(1, 3), (0, 1), (1, 2), (1, 1), (0, 0)]
        ]
        for partition in partitions {
            var tree = SlotTree<Tensor>(slots: 8)
            var root: Tensor?
            for (level, index) in partition {
                let block = SlotBlock(level: level, index: index)
                root = tree.insert(sum(block), at: block) { left, right in
                    left.accumulateInPlace(right, pool: pool)
                    return left
                }
            }
            #expect(root.map(bits) == expected, "\(partition)")
        }

        // Of another order the bits differ, or this test would say nothing.
        let chain = slots[0].copied()
        for slot in slots.dropFirst() { chain.accumulateInPlace(slot, pool: ThreadPool(threads: 1)) }
        #expect(bits(chain) != expected)
    }
}

import Fleet
import ImageData
import Synchronization
import TensorCore
import Transport

/// A worker's part of a fleet's generation: images of classes, the images of a slot together.
final class GenerateBlocks: WorkerTask {
    private let task: GenerateTask
    /// Made from the first weights that come: they are the same for all steps. The compute thread alone uses it.
    private let generator = Mutex<Prepared?>(nil)

    private struct Prepared: @unchecked Sendable {
        let generator: ImageGenerator
    }

    init(_ task: GenerateTask) { self.task = task }

    var weightsCount: Int { task.weightsCount }
    var resultCount: Int { task.resultCount }
    var parameterCount: Int { task.weightsCount }

    func stepPlan(_ step: Int) -> StepPlan? { task.stepPlan(step) }

    /// An image is made of nothing but the weights.
    func prepare(step: Int, block: SlotBlock) -> [Int] { [] }

    func begin(step: Int, block: SlotBlock) -> any SlotSequence { Slots(self, step: step, slots: block.slots) }

    private func images(step: Int, slot: Int, weights: Tensor, pool: ThreadPool) throws -> [RGBImage] {
        let prepared = try generator.withLock { generator in
            let prepared = try generator ?? Prepared(generator: task.makeGenerator(weights, threads: pool.threads))
            generator = prepared
            return prepared
        }
        var images: [RGBImage] = []
        try prepared.generator.generate(task.images(step: step, slot: slot).map(task.sample), task.drawing) { images.append($0.image) }
        return images
    }

    private final class Slots: SlotSequence {
        let fetching = Duration.zero
        private let blocks: GenerateBlocks
        private let step: Int
        private var slots: Range<Int>

        init(_ blocks: GenerateBlocks, step: Int, slots: Range<Int>) { (self.blocks, self.step, self.slots) = (blocks, step, slots) }

        func next() throws -> Bool { !slots.isEmpty }

        func compute(weights: Tensor, into result: Tensor, pool: ThreadPool) throws {
            guard let slot = slots.popFirst() else { preconditionFailure("no slot is ready") }
            let images = try blocks.images(step: step, slot: slot, weights: weights, pool: pool)
            blocks.task.write(images, step: step, slot: slot, into: result)
        }

        func drop() { slots = 0..<0 }
    }
}

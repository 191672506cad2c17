import Fleet
import TensorCore
import Transport

/// The tokenizer's training as blocks of slots, whose images are decoded ahead.
final class TokenizerBlocks: WorkerTask {
    private let task: TokenizerTask
    private let plan: TrainingPlan
    private let images: BlockImages

    /// - Parameter threads: threads that compute; as many decode.
    init(_ task: TokenizerTask, plan: TrainingPlan, store: SampleStore, threads: Int) {
        self.task = task
        self.plan = plan
        images = BlockImages(store, plan: plan, transforms: task.transforms, threads: threads)
    }

    var weightsCount: Int { task.weightsCount }
    var resultCount: Int { task.resultCount }
    var parameterCount: Int { task.layout.count }

    func prepare(step: Int, block: SlotBlock) -> [Int] { images.prepare(step: step, block: block) }

    func begin(step: Int, block: SlotBlock) -> any SlotSequence {
        let (feed, fetching) = images.feed(step: step, block: block)
        return Slots(task: task, step: step, slots: block.slots, kept: plan.keptTokens(step: step), feed: feed, fetching: fetching)
    }

    private final class Slots: SlotSequence {
        let fetching: Duration
        private let task: TokenizerTask
        private let step: Int
        private let kept: Int
        private let feed: SlotFeed
        private var slots: Range<Int>
        private var views: SlotFeed.Views?

        init(task: TokenizerTask, step: Int, slots: Range<Int>, kept: Int, feed: SlotFeed, fetching: Duration) {
            (self.task, self.step, self.slots, self.kept, self.feed, self.fetching) = (task, step, slots, kept, feed, fetching)
        }

        func next() throws -> Bool {
            views = try feed.next()
            return views != nil
        }

        func compute(weights: Tensor, into result: Tensor, pool: ThreadPool) throws {
            guard let views, let slot = slots.popFirst() else { preconditionFailure("no slot is ready") }
            self.views = nil
            try task.computeSlot(
                weights: weights, views: views.images, samples: views.samples, step: step, slot: slot, kept: kept, into: result, pool: pool)
        }

        func drop() { feed.drop() }
    }
}

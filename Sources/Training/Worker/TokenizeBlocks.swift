import Fleet
import TensorCore
import Transport

/// A worker's part of a fleet's tokenising: images to records, an image a thread.
final class TokenizeBlocks: WorkerTask {
    private let task: TokenizeTask
    private let store: SampleStore

    init(_ task: TokenizeTask, store: SampleStore) {
        self.task = task
        self.store = store
    }

    var weightsCount: Int { task.weightsCount }
    var resultCount: Int { task.resultCount }
    var parameterCount: Int { task.weightsCount }

    func stepPlan(_ step: Int) -> StepPlan? { task.stepPlan(step) }

    func prepare(step: Int, block: SlotBlock) -> [Int] { store.missing(of: task.images(step: step, block: block)) }

    func begin(step: Int, block: SlotBlock) -> any SlotSequence { Slots(task: task, step: step, slots: block.slots, store: store) }

    private final class Slots: SlotSequence {
        let fetching = Duration.zero
        private let task: TokenizeTask
        private let step: Int
        private let store: SampleStore
        private var slots: Range<Int>
        private var images: [Int: EncodedSample] = [:]

        init(task: TokenizeTask, step: Int, slots: Range<Int>, store: SampleStore) {
            (self.task, self.step, self.slots, self.store) = (task, step, slots, store)
        }

        func next() throws -> Bool {
            guard let slot = slots.first else { return false }
            images = [:]
            for sighting in task.sightings(step: step, slot: slot) {
                let image = task.plan.image(of: sighting)
                guard images[image] == nil else { continue }
                guard let sample = try store.encoded(image) else { return false }
                images[image] = sample
            }
            return true
        }

        func compute(weights: Tensor, into result: Tensor, pool: ThreadPool) throws {
            guard let slot = slots.popFirst() else { preconditionFailure("no slot is ready") }
            let (plan, images) = (task.plan, images)
            let tokenizer = ImageTokenizer(task.tokenizer, weights: weights, source: "the run's checkpoint")
            let records = try tokenizer.records(of: task.sightings(step: step, slot: slot), plan, pool: pool) { sighting in
                guard let sample = images[plan.image(of: sighting)] else { preconditionFailure("no image for sighting \(sighting)") }
                // The coordinator knows the labels.
                return (sample.bytes, sample.name, 0)
            }
            task.write(records, step: step, slot: slot, into: result)
        }

        func drop() { slots = 0..<0 }
    }
}

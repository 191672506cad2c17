import Fleet
import TensorCore
import Transport

/// Training on tokens as blocks of slots. A record is read in microseconds: nothing is made ready ahead.
final class TokenBlocks: WorkerTask {
    private let task: TokenTask
    private let plan: TrainingPlan
    private let store: SampleStore

    init(_ task: TokenTask, plan: TrainingPlan, store: SampleStore) {
        self.task = task
        self.plan = plan
        self.store = store
    }

    var weightsCount: Int { task.vectors.weightsCount }
    var resultCount: Int { task.vectors.resultCount }
    var parameterCount: Int { task.model.layout.count }

    func prepare(step: Int, block: SlotBlock) -> [Int] { store.missing(of: plan.samples(step: step, block: block)) }

    func begin(step: Int, block: SlotBlock) -> any SlotSequence {
        Slots(task: task, step: step, slots: block.slots.map { ($0, plan.samples(step: step, slot: $0)) }, store: store)
    }

    private final class Slots: SlotSequence {
        let fetching = Duration.zero
        private let task: TokenTask
        private let step: Int
        private let store: SampleStore
        private var slots: ArraySlice<(slot: Int, samples: [Int])>
        private var records: [TokenRecord] = []

        init(task: TokenTask, step: Int, slots: [(slot: Int, samples: [Int])], store: SampleStore) {
            (self.task, self.step, self.slots, self.store) = (task, step, slots[...], store)
        }

        func next() throws -> Bool {
            guard let samples = slots.first?.samples else { return false }
            records = []
            for id in samples {
                guard let sample = try store.encoded(id) else { return false }
                do {
                    records.append(try TokenRecord(bytes: sample.bytes))
                } catch {
                    throw TrainingError.badRecord(name: sample.name, problem: "\(error)")
                }
            }
            return true
        }

        func compute(weights: Tensor, into result: Tensor, pool: ThreadPool) throws {
            guard let (slot, samples) = slots.popFirst() else { preconditionFailure("no slot is ready") }
            try task.computeSlot(
                weights: weights, records: records, samples: samples, step: step, slot: slot, into: result, pool: pool)
        }

        func drop() { slots = [] }
    }
}

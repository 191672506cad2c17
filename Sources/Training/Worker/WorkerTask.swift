import Fleet
import TensorCore
import Transport

/// A worker's part of a run: (weights, slot) → a vector that the slots' tree adds up.
protocol WorkerTask: Sendable {
    /// Floats that it is given.
    var weightsCount: Int { get }
    /// Floats in a slot's result.
    var resultCount: Int { get }
    /// Floats that are trained, for the log.
    var parameterCount: Int { get }

    /// What a step does, to compare with the coordinator's; nil if the training plan says it.
    func stepPlan(_ step: Int) -> StepPlan?

    /// Takes note of the next block, whose samples may be made ready. The block before is done with.
    /// - Returns: the samples that have to be fetched.
    func prepare(step: Int, block: SlotBlock) -> [Int]

    /// The slots of a block whose samples are there or on their way.
    func begin(step: Int, block: SlotBlock) -> any SlotSequence
}

extension WorkerTask {
    func stepPlan(_ step: Int) -> StepPlan? { nil }
}

/// The slots of a block, one after the other: `next`, then `compute`, until `next` says no. Used by one thread.
protocol SlotSequence: AnyObject {
    /// How long fetching the block's samples took.
    var fetching: Duration { get }

    /// Goes to the next slot; waits until its samples are ready. False when the block is no longer wanted, or was the last slot.
    /// - Throws: the error of the slot's first bad sample.
    func next() throws -> Bool

    /// Adds up the slot. `result [resultCount]` is overwritten.
    func compute(weights: Tensor, into result: Tensor, pool: ThreadPool) throws

    /// Forgets the slots that are left.
    func drop()
}

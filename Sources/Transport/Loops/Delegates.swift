import Fleet

/// What a coordinator's loop does not know: weights, samples, gradients. `merge`, `finishStep` and `weights` are called one after the other, in the
/// order of the run (the first `weights` by the thread of `run()` before it does anything else, then by a thread of their own), `sample` by another
/// thread, `report` by that of `run()`, all at the same time; none after `run()` has returned. An error ends the run with the error's exit code.
public protocol CoordinatorDelegate: AnyObject, Sendable {
    /// The weights of the step to come; called once for each step. The bytes must stay as they are while anybody holds the payload's owner,
    /// so the next step's weights go into another buffer (`BufferPool` gives one that is free).
    func weights() -> BulkPayload
    /// The encoded bytes of a sample, for workers without dataset.
    func sample(_ id: Int) throws -> [UInt8]
    /// Adds the gradient of a block to the tree. The buffer is the delegate's for as long as it holds it.
    func merge(step: Int, block: SlotBlock, gradient: BulkBuffer) throws
    /// All slots are merged: update the weights, make the step durable. The fleet waits for it, but may take as long as it likes.
    /// - Parameter blocks: who computed what, by first slot.
    /// - Returns: the plan of the next step, nil when the training is complete.
    func finishStep(_ step: Int, blocks: [LeaseTable.Finished]) throws -> StepPlan?
    /// Something happened; for logs.
    func report(_ event: FleetEvent)
}

/// What a worker's loop does not know: the model and its data. `join` and `compute` are called on the compute thread, all
/// others on the thread of `run()`, at the same time. An error ends the worker with the error's exit code.
public protocol WorkerDelegate: AnyObject, Sendable {
    /// Builds the model of the welcome's configuration. May be called again, for another run.
    func join(_ welcome: Welcome) throws
    /// What the model computes of the fixed image, for coordinators that want to see it; called after `join`.
    func canary() throws -> Canary?
    /// The worker's own plan of a step, to compare with the coordinator's.
    func plan(step: Int) throws -> StepPlan
    /// Samples of the block that are not here.
    func missingSamples(step: Int, block: SlotBlock) throws -> [Int]
    /// Keeps the bytes of a sample that was missing.
    func store(sample id: Int, bytes: [UInt8]) throws
    /// Computes the gradient sum of a block.
    /// - Parameter slotDone: to be called after each slot; false means that the result is not wanted any more.
    /// - Returns: `Welcome.gradientBytes` bytes, untouched until they are sent; nil when it was told to stop.
    func compute(step: Int, block: SlotBlock, weights: BulkBuffer, slotDone: () -> Bool) throws -> BulkPayload?
    /// Something happened; for logs.
    func report(_ event: WorkerEvent)
}

extension WorkerDelegate {
    /// None: for workers without arithmetic of their own.
    public func canary() throws -> Canary? { nil }
}

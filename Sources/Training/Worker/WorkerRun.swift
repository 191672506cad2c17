import Failpoints
import Fleet
import Foundation
import Synchronization
import TensorCore
import Transport

/// A worker's part of a run: turns (weights, block of slots) into the block's gradient sum. It keeps nothing that another worker could miss.
public final class WorkerRun: WorkerDelegate {
    /// Takes a line for the log, and whether it is one of many a step.
    public typealias Log = @Sendable (_ text: String, _ isRoutine: Bool) -> Void

    /// What belongs to the run that the worker has joined.
    private struct Joined: Sendable {
        let task: any WorkerTask
        let plan: TrainingPlan
    }

    private let log: Log
    private let joined = Mutex<Joined?>(nil)
    private let samples: SampleStore
    // Pool and buffers are used by the compute thread alone.
    private let pool: ThreadPool
    private let buffers = Mutex<BufferPool?>(nil)

    /// - Parameters:
    ///   - source: the worker's own copy of the dataset; nil to get the samples from the coordinator.
    ///   - threads: threads that compute.
    ///   - log: where events go.
    public init(source: (any SampleSource)?, threads: Int, log: @escaping Log) {
        samples = SampleStore(source: source)
        pool = ThreadPool(threads: threads)
        self.log = log
    }

    public func join(_ welcome: Welcome) throws {
        Failpoints.reach(.workerJoin)
        let configuration = try RunConfiguration(yaml: welcome.configuration, file: "the coordinator's configuration")
        samples.removeAll()
        let plan = TrainingPlan(configuration: configuration, sampleCount: welcome.sampleCount)
        let task = try configuration.workerTask(plan: plan, store: samples, threads: pool.threads)
        let float = MemoryLayout<Float>.stride
        guard welcome.weightsBytes == task.weightsCount * float, welcome.gradientBytes == task.resultCount * float else {
            throw TrainingError.planMismatch(
                "model of \(task.weightsCount * float) and \(welcome.weightsBytes) bytes")
        }
        joined.withLock { $0 = Joined(task: task, plan: plan) }
        buffers.withLock { $0 = BufferPool(count: welcome.gradientBytes) }
        log("joined run \(welcome.runID) (generation \(welcome.generation)): \(task.parameterCount) parameters", false)
    }

    public func canary() throws -> Canary? { try Canary(run().plan.configuration, pool: pool) }

    private func run() -> Joined {
        guard let joined = joined.withLock({ $0 }) else { preconditionFailure("work came before the welcome") }
        return joined
    }

    public func plan(step: Int) throws -> StepPlan {
        let run = run()
        return run.task.stepPlan(step) ?? run.plan.stepPlan(step)
    }

    public func missingSamples(step: Int, block: SlotBlock) throws -> [Int] {
        run().task.prepare(step: step, block: block)
    }

    public func store(sample id: Int, bytes: [UInt8]) throws { samples.store(id, bytes) }

    public func compute(step: Int, block: SlotBlock, weights: BulkBuffer, slotDone: () -> Bool) throws -> BulkPayload? {
        let run = run()
        let vector = Tensor(sharing: weights.bytes, owner: weights, [run.task.weightsCount])
        guard let buffer = buffers.withLock({ $0?.take() }) else { preconditionFailure("work came before the welcome") }
        let result = Tensor(sharing: buffer.bytes, owner: buffer, [run.task.resultCount])
        let start = Instant.current
        let slots = run.task.begin(step: step, block: block)
        defer { slots.drop() }
        var waited = slots.fetching

        /// The block's tree sum into `result`: left half, plus right half. Returns false when it was told to stop.
        func sum(_ block: SlotBlock, into result: Tensor) throws -> Bool {
            guard let (left, right) = block.children else {
                let call = Instant.current
                guard try slots.next() else { return false }
                waited += call.duration(to: .current)
                Failpoints.reach(.workerCompute)
                try slots.compute(weights: vector, into: result, pool: pool)
                return slotDone()
            }
            guard try sum(left, into: result) else { return false }
            let other = Tensor(uninitialised: result.shape)
            guard try sum(right, into: other) else { return false }
            result.accumulateInPlace(other, pool: pool)
            return true
        }

        guard try sum(block, into: result) else { return nil }
        let computed = start.duration(to: .current) - (waited - slots.fetching)
        let text = String(format: "computed in %.3f s, waited %.3f s for data", computed.inSeconds, waited.inSeconds)
        log("step \(step): \(block) \(text)", true)
        return BulkPayload(buffer)
    }

    public func report(_ event: WorkerEvent) {
        switch event {
        case .leased, .finishedBlock, .cancelled, .dropped, .joined: log("\(event)", true)
        case .connecting(_, _, let attempt): log("\(event)", attempt > 1)
        case .orphaned: log("\(event)", false)
        }
    }
}

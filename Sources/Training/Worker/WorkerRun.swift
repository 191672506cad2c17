import Checksums
import Fleet
import Foundation
import ImageData
import Synchronization
import TensorCore
import Transport

/// A worker's part of a run: turns (weights, block of slots) into the block's gradient sum. It keeps nothing that another worker could miss.
public final class WorkerRun: WorkerDelegate {
    /// Takes a line for the log, and whether it is one of many a step.
    public typealias Log = @Sendable (_ text: String, _ isRoutine: Bool) -> Void

    /// What belongs to the run that the worker has joined.
    private struct Joined: Sendable {
        let task: TokenizerTask
        let plan: TrainingPlan
    }

    private let folder: ImageFolder?
    private let log: Log
    private let joined = Mutex<Joined?>(nil)
    /// Encoded images from the coordinator.
    private let samples = Mutex<[Int: [UInt8]]>([:])
    // Pool and buffers are used by the compute thread alone.
    private let pool: ThreadPool
    private let buffers = Mutex<BufferPool?>(nil)

    /// - Parameters:
    ///   - folder: the worker's own copy of the dataset; nil to get the images from the coordinator.
    ///   - threads: threads that compute.
    ///   - log: where events go.
    public init(folder: ImageFolder?, threads: Int, log: @escaping Log) {
        self.folder = folder
        pool = ThreadPool(threads: threads)
        self.log = log
    }

    public func join(_ welcome: Welcome) throws {
        let configuration = try RunConfiguration(yaml: welcome.configuration, file: "the coordinator's configuration")
        let task = TokenizerTask(configuration)
        let float = MemoryLayout<Float>.stride
        guard welcome.weightsBytes == task.layout.count * float, welcome.gradientBytes == task.resultCount * float else {
            throw TrainingError.planMismatch(
                "model of \(task.layout.count * float) and \(welcome.weightsBytes) bytes")
        }
        joined.withLock { $0 = Joined(task: task, plan: TrainingPlan(configuration: configuration, sampleCount: welcome.sampleCount)) }
        samples.withLock { $0 = [:] }
        buffers.withLock { $0 = BufferPool(count: welcome.gradientBytes) }
        log("joined run \(welcome.runID) (generation \(welcome.generation)): \(task.layout.count) parameters", false)
    }

    private func run() -> Joined {
        guard let joined = joined.withLock({ $0 }) else { preconditionFailure("work came before the welcome") }
        return joined
    }

    public func plan(step: Int) throws -> StepPlan { run().plan.stepPlan(step) }

    public func missingSamples(step: Int, block: SlotBlock) throws -> [Int] {
        guard folder == nil else { return [] }
        let wanted = run().plan.samples(step: step, block: block)
        return samples.withLock { held in
            // What another step needed is of no use any more: an image is seen once an epoch.
            held = held.filter { wanted.contains($0.key) }
            return wanted.filter { held[$0] == nil }
        }
    }

    public func store(sample id: Int, bytes: [UInt8]) throws {
        samples.withLock { $0[id] = bytes }
    }

    public func compute(step: Int, block: SlotBlock, weights: BulkBuffer, slotDone: () -> Bool) throws -> BlockGradient? {
        let run = run()
        let vector = Tensor(sharing: weights.bytes, owner: weights, [run.task.layout.count])
        guard let buffer = buffers.withLock({ $0?.take() }) else { preconditionFailure("work came before the welcome") }
        let result = Tensor(sharing: buffer.bytes, owner: buffer, [run.task.resultCount])
        guard try compute(block, step: step, weights: vector, run: run, into: result, slotDone) else { return nil }
        return BlockGradient(
            payload: BulkPayload(buffer), digest: result.withBytes { SHA256.digest(of: $0) })
    }

    /// The block's tree sum into `result`: left half, plus right half. Returns false when it was told to stop.
    private func compute(
        _ block: SlotBlock, step: Int, weights: Tensor, run: Joined, into result: Tensor, _ slotDone: () -> Bool
    ) throws -> Bool {
        guard let (left, right) = block.children else {
            var images: [(sample: Int, name: String, bytes: [UInt8])] = []
            for id in run.plan.samples(step: step, slot: block.slots.lowerBound) {
                guard let (name, bytes) = try encoded(id) else { return false }
                images.append((id, name, bytes))
            }
            try run.task.computeSlot(
                weights: weights, images: images, step: step, kept: run.plan.keptTokens(step: step), into: result, pool: pool)
            return slotDone()
        }
        guard try compute(left, step: step, weights: weights, run: run, into: result, slotDone) else { return false }
        let other = Tensor(uninitialised: result.shape)
        guard try compute(right, step: step, weights: weights, run: run, into: other, slotDone) else { return false }
        result.accumulateInPlace(other, pool: pool)
        return true
    }

    /// A sample's encoded bytes and its name for complaints; nil for a fetched sample that made room for those of a newer block, so that this one
    /// is no longer wanted.
    private func encoded(_ id: Int) throws -> (name: String, bytes: [UInt8])? {
        if let folder { return (folder.path(of: id), try folder.bytes(of: id)) }
        return samples.withLock { $0[id] }.map { (RemoteSample.name(id), $0) }
    }

    public func report(_ event: WorkerEvent) {
        switch event {
        case .leased, .finishedBlock, .cancelled, .dropped, .joined: log("\(event)", true)
        case .connecting(_, _, let attempt): log("\(event)", attempt > 1)
        case .orphaned: log("\(event)", false)
        }
    }
}

import Fleet
import Foundation
import Kernels
import Synchronization
import Transport

/// What a measured exchange is about: a model of a size whose computation is a sleep. Coordinator and workers know it from the welcome.
struct ExchangeTask: Codable, Sendable {
    var weightsBytes: Int
    var gradientBytes: Int
    var slots: Int
    var computeSeconds: Double
    var chunkBytes: Int

    /// Steps that do not count: in them memory is first used.
    static let warmUp = 2

    func plan(step: Int) -> StepPlan { StepPlan(step: step, epoch: 0, slots: slots, values: [:], samplesDigest: "none") }

    var text: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// Where the numbers lie that differ from step to step and from slot to slot: one in every mebibyte.
    private static let markDistance = 1 << 18

    /// A gradient, except for the marks: whole numbers, so that sums are exact in every order.
    func fill(_ buffer: BulkBuffer) {
        let values = buffer.bytes.bindMemory(to: Float.self)
        for index in values.indices { values[index] = Float(index % 251) }
    }

    func mark(_ buffer: BulkBuffer, step: Int, slot: Int) {
        let values = buffer.bytes.bindMemory(to: Float.self)
        for index in stride(from: 0, to: values.count, by: Self.markDistance) { values[index] = Float(index % 251 + slot + 1 + step % 1000) }
    }

    /// Whether the weights of a step are the sum of all slots' gradients of the step before, as far as looked at.
    func isSum(_ weights: UnsafeRawBufferPointer, step: Int) -> Bool {
        guard step > 0 else { return true }
        let values = weights.bindMemory(to: Float.self)
        let marked = slots * (1 + (step - 1) % 1000) + slots * (slots - 1) / 2
        func isRight(_ index: Int) -> Bool { values[index] == Float(slots * (index % 251) + (index % Self.markDistance == 0 ? marked : 0)) }
        return stride(from: 0, to: values.count, by: 65_521).allSatisfy(isRight)
            && stride(from: 0, to: values.count, by: Self.markDistance).allSatisfy(isRight)
    }
}

/// The coordinator's side: adds gradients as a training run does, and publishes the sum itself as the next weights, which is what an all-reduce
/// yields. Notes when what happened.
final class ExchangeCoordinator: CoordinatorDelegate, @unchecked Sendable {
    // Sendable: tree and sum belong to the thread of the step, the times are behind the mutex.

    /// The moments of a step.
    struct Moments: Sendable {
        var start: Instant?
        var lastLease: Instant?
        var lastBlock: Instant?
        var commit: Instant?
        var workers: Set<SessionID> = []
        /// CPU-seconds of the process up to the commit.
        var cpuSeconds = 0.0
    }

    let task: ExchangeTask
    let steps: Int
    private var tree: SlotTree<BulkBuffer>
    private var sum: BulkBuffer
    private let moments: Mutex<[Moments]>
    /// Called with every event, on the loop's thread.
    var reported: @Sendable (FleetEvent) -> Void = { _ in }

    init(_ task: ExchangeTask, steps: Int) {
        self.task = task
        self.steps = steps
        tree = SlotTree(slots: task.slots)
        sum = BulkBuffer(count: task.gradientBytes)
        moments = Mutex(Array(repeating: Moments(), count: steps))
    }

    var times: [Moments] { moments.withLock { $0 } }

    func weights() -> BulkPayload {
        BulkPayload(bytes: UnsafeRawBufferPointer(rebasing: sum.bytes[..<task.weightsBytes]), owner: sum)
    }

    func sample(_ id: Int) throws -> [UInt8] { [] }

    func merge(step: Int, block: SlotBlock, gradient: BulkBuffer) throws {
        let root = tree.insert(gradient, at: block) { left, right in
            let (sums, values) = (left.bytes.bindMemory(to: Float.self), right.bytes.bindMemory(to: Float.self))
            if let sums = sums.baseAddress, let values = values.baseAddress {
                accumulate(UnsafePointer(values), into: sums, count: task.gradientBytes / 4)
            }
            return left
        }
        if let root { sum = root }
    }

    func restartStep(_ step: Int) { tree.removeAll() }

    func finishStep(_ step: Int, blocks: [LeaseTable.Finished]) throws -> StepPlan? {
        tree.removeAll()
        let cpuSeconds = ProcessUsage.cpuSeconds
        moments.withLock { ($0[step].commit, $0[step].cpuSeconds) = (.current, cpuSeconds) }
        return step + 1 < steps ? task.plan(step: step + 1) : nil
    }

    func report(_ event: FleetEvent) {
        let now = Instant.current
        moments.withLock { moments in
            switch event {
            case .stepStarted(let step, _): moments[step].start = now
            case .leased(let session, let step, _):
                moments[step].lastLease = now
                moments[step].workers.insert(session)
            case .blockFinished(_, let step, _, _): moments[step].lastBlock = now
            default: break
            }
        }
        reported(event)
    }
}

/// A worker whose computation is a sleep. It checks that the weights are what the fleet's gradients sum to.
final class ExchangeWorker: WorkerDelegate {
    struct WrongWeights: ExitCoded, CustomStringConvertible {
        let step: Int
        var exitCode: Int32 { ExitCode.software }
        var description: String { "the weights of step \(step) are not the sum of the gradients of the step before" }
    }

    private struct State {
        var task: ExchangeTask?
        /// Of all gradients: when a step's weights come, the gradient of the step before has left.
        var gradient: BulkBuffer?
        var cpuSecondsBefore = 0.0
    }
    private let state = Mutex(State())
    /// CPU-seconds of the process up to its first step that counts.
    var cpuSecondsBefore: Double { state.withLock { $0.cpuSecondsBefore } }
    /// Called with every event, on the loop's thread.
    let reported: @Sendable (WorkerEvent) -> Void

    init(reported: @escaping @Sendable (WorkerEvent) -> Void = { _ in }) { self.reported = reported }

    func join(_ welcome: Welcome) throws {
        let task = try JSONDecoder().decode(ExchangeTask.self, from: Data(welcome.configuration.utf8))
        state.withLock { $0 = State(task: task) }
    }

    func plan(step: Int) throws -> StepPlan {
        guard let task = state.withLock({ $0.task }) else { preconditionFailure("a plan before the welcome") }
        return task.plan(step: step)
    }

    func missingSamples(step: Int, block: SlotBlock) throws -> [Int] { [] }
    func store(sample id: Int, bytes: [UInt8]) throws {}
    func report(_ event: WorkerEvent) { reported(event) }

    func compute(step: Int, block: SlotBlock, weights: BulkBuffer, slotDone: () -> Bool) throws -> BulkPayload? {
        guard let task = state.withLock({ $0.task }) else { preconditionFailure("work before the welcome") }
        let buffer = state.withLock { state in
            if step == ExchangeTask.warmUp { state.cpuSecondsBefore = ProcessUsage.cpuSeconds }
            if let gradient = state.gradient { return gradient }
            let gradient = BulkBuffer(count: task.gradientBytes)
            task.fill(gradient)
            state.gradient = gradient
            return gradient
        }
        let start = Instant.current
        guard task.isSum(UnsafeRawBufferPointer(weights.bytes), step: step) else { throw WrongWeights(step: step) }
        task.mark(buffer, step: step, slot: block.index)
        // The sleep is the computation; what was done above is part of it.
        let left = task.computeSeconds - start.duration(to: .current).inSeconds
        if left > 0 { Thread.sleep(forTimeInterval: left) }
        return slotDone() ? BulkPayload(buffer) : nil
    }
}

import Checksums
import Fleet
import Foundation
import Synchronization
import Transport

/// A model of 262 144 numbers whose gradients depend on weights, step, slot and samples, and whose sums depend on the order.
enum Toy {
    static let width = 1 << 18
    static let bytes = 4 * width
    static let slots = 8
    static let samples = 32
    static let runID = RunID(high: 1, low: 2)

    /// 100 000 bytes in each sample: more than one chunk of the tests.
    static func sample(_ id: Int) -> [UInt8] {
        var word = mix(UInt64(id))
        return (0..<100_000).map { _ in
            word = word &* 6_364_136_223_846_793_005 &+ 1
            return UInt8(truncatingIfNeeded: word >> 56)
        }
    }

    static func sampleID(step: Int, slot: Int) -> Int { (step * slots + slot) % samples }

    static func plan(step: Int) -> StepPlan {
        StepPlan(step: step, epoch: 0, slots: slots, values: ["lr": 0.1 / Double(step + 1)], samplesDigest: "toy \(step)")
    }

    static func floats(_ buffer: BulkBuffer) -> UnsafeMutableBufferPointer<Float> { buffer.bytes.bindMemory(to: Float.self) }

    /// Adds the gradient of one slot to `target` (or sets it).
    static func slotGradient(weights: BulkBuffer, step: Int, slot: Int, sample: [UInt8], into target: BulkBuffer) {
        let salt = mix(UInt64(step) << 32 | UInt64(slot)) ^ sample.reduce(UInt64(0)) { $0 &* 31 &+ UInt64($1) }
        let (values, sums) = (floats(weights), floats(target))
        for index in 0..<width {
            let noise = Float(Int64(bitPattern: mix(salt &+ UInt64(index)))) * 0x1p-60
            sums[index] = noise + values[index] * 0.37
        }
    }

    static func add(_ left: BulkBuffer, _ right: BulkBuffer) -> BulkBuffer {
        let (sums, values) = (floats(left), floats(right))
        for index in 0..<width { sums[index] += values[index] }
        return left
    }

    /// The tree sum of a block, by the definition.
    static func gradient(of block: SlotBlock, leaf: (Int) -> BulkBuffer?) -> BulkBuffer? {
        guard let halves = block.children else { return leaf(block.index) }
        guard let left = gradient(of: halves.left, leaf: leaf), let right = gradient(of: halves.right, leaf: leaf) else { return nil }
        return add(left, right)
    }

    static func update(_ weights: BulkBuffer, with gradient: BulkBuffer, into next: BulkBuffer) {
        let (old, sums, new) = (floats(weights), floats(gradient), floats(next))
        for index in 0..<width { new[index] = old[index] - 0.01 * sums[index] }
    }

    static func firstWeights() -> BulkBuffer {
        let buffer = BulkBuffer(count: bytes)
        for index in 0..<width { floats(buffer)[index] = Float(index % 1000) * 0.001 - 0.5 }
        return buffer
    }

    static func digest(_ buffer: BulkBuffer) -> String { SHA256.digest(of: UnsafeRawBufferPointer(buffer.bytes)) }

    /// The digest of the weights after some steps of a run without fleet.
    static func expectedDigest(steps: Int) -> String {
        var weights = firstWeights()
        for step in 0..<steps {
            let root = gradient(of: .all(slots: slots)) { slot in
                let target = BulkBuffer(count: bytes)
                slotGradient(weights: weights, step: step, slot: slot, sample: sample(sampleID(step: step, slot: slot)), into: target)
                return target
            }
            let next = BulkBuffer(count: bytes)
            if let root { update(weights, with: root, into: next) }
            weights = next
        }
        return digest(weights)
    }

    /// Nobody is lost for being slow: beside the other tests a thread may wait for a core for half a minute.
    static var timing: FleetTiming {
        var timing = FleetTiming()
        timing.heartbeat = .milliseconds(100)
        timing.liveness = .seconds(600)
        timing.progress = .seconds(600)
        timing.overdue = .seconds(600)
        timing.backoffFirst = .milliseconds(20)
        timing.backoffLast = .milliseconds(200)
        timing.gatherTimeout = .seconds(600)
        return timing
    }

    static func configuration(generation: UInt64 = 1) -> CoordinatorConfiguration {
        var configuration = CoordinatorConfiguration(
            runID: runID, generation: generation, buildVersion: "test", numericClass: "toy", configuration: "toy: true",
            datasetFingerprint: "toy data", sampleCount: samples, weightsBytes: bytes, gradientBytes: bytes)
        configuration.chunkBytes = 1 << 16
        configuration.creditBytes = 1 << 18
        configuration.timing = timing
        configuration.poisonLosses = 1000
        return configuration
    }

    static func hello(_ number: Int, buildVersion: String = "test", hasData: Bool = true) -> Hello {
        Hello(
            buildVersion: buildVersion, numericClass: "toy", hostName: "host\(number)", processID: number,
            process: SessionID(high: .random(in: 0...UInt64.max), low: UInt64(number)), threads: 1,
            datasetFingerprint: hasData ? "toy data" : nil)
    }
}

struct ToyError: ExitCoded, CustomStringConvertible {
    let exitCode: Int32
    let description: String
}

/// Holds the toy weights. Used as the protocol says, by one thread for each kind of call; the hooks are set before they start.
final class ToyCoordinator: CoordinatorDelegate, @unchecked Sendable {
    let steps: Int
    private(set) var current: BulkBuffer
    private var pool = BufferPool(count: Toy.bytes)
    private var tree = SlotTree<BulkBuffer>(slots: Toy.slots)
    private var root: BulkBuffer?
    private(set) var step: Int
    private(set) var events: [FleetEvent] = []
    private(set) var samplesSent = 0
    /// Called after a step, with the number of committed steps.
    var stepDone: (Int) throws -> Void = { _ in }
    /// Called before a block is added.
    var merging: (SlotBlock) -> Void = { _ in }
    var reported: (FleetEvent) -> Void = { _ in }

    init(steps: Int, step: Int = 0, weights: BulkBuffer = Toy.firstWeights()) {
        self.steps = steps
        self.step = step
        current = weights
    }

    func weights() -> BulkPayload { BulkPayload(current) }

    func sample(_ id: Int) throws -> [UInt8] {
        samplesSent += 1
        return Toy.sample(id)
    }

    func merge(step: Int, block: SlotBlock, gradient: BulkBuffer) throws {
        merging(block)
        root = tree.insert(gradient, at: block, combine: Toy.add)
    }

    func restartStep(_ step: Int) throws {
        root = nil
        tree.removeAll()
    }

    func finishStep(_ step: Int, blocks: [LeaseTable.Finished]) throws -> StepPlan? {
        guard let root, step == self.step, blocks.flatMap({ Array($0.block.slots) }) == Array(0..<Toy.slots) else {
            throw ToyError(exitCode: ExitCode.software, description: "step \(step) is not complete")
        }
        let next = pool.take()
        Toy.update(current, with: root, into: next)
        current = next
        self.root = nil
        tree.removeAll()
        self.step += 1
        try stepDone(self.step)
        return self.step == steps ? nil : Toy.plan(step: self.step)
    }

    func report(_ event: FleetEvent) {
        events.append(event)
        reported(event)
    }

    /// How many different workers have finished blocks.
    var contributors: Int {
        Set(events.compactMap { if case .blockFinished(let session, _, _, _) = $0 { session } else { nil } }).count
    }
    var drops: Int { events.count { if case .dropped = $0 { true } else { false } } }
}

/// Computes toy gradients.
final class ToyWorker: WorkerDelegate {
    private struct State {
        var samples: [Int: [UInt8]] = [:]
        var builds = 0
        var events: [WorkerEvent] = []
    }

    private let state = Mutex(State())
    private let hasData: Bool
    /// Called on the compute thread after each slot.
    let slotComputed: @Sendable (_ step: Int, _ slot: Int) throws -> Void

    init(hasData: Bool = true, slotComputed: @escaping @Sendable (Int, Int) throws -> Void = { _, _ in }) {
        self.hasData = hasData
        self.slotComputed = slotComputed
    }

    var builds: Int { state.withLock { $0.builds } }
    var events: [WorkerEvent] { state.withLock { $0.events } }
    /// The generations that the worker has joined, in order.
    var generations: [UInt64] { events.compactMap { if case .joined(_, let generation) = $0 { generation } else { nil } } }

    func join(_ welcome: Welcome) throws { state.withLock { $0.builds += 1 } }
    func plan(step: Int) throws -> StepPlan { Toy.plan(step: step) }
    func report(_ event: WorkerEvent) { state.withLock { $0.events.append(event) } }

    func missingSamples(step: Int, block: SlotBlock) throws -> [Int] {
        guard !hasData else { return [] }
        return state.withLock { state in
            block.slots.map { Toy.sampleID(step: step, slot: $0) }.filter { state.samples[$0] == nil }
        }
    }

    func store(sample id: Int, bytes: [UInt8]) throws { state.withLock { $0.samples[id] = bytes } }

    func compute(step: Int, block: SlotBlock, weights: BulkBuffer, slotDone: () -> Bool) throws -> BulkPayload? {
        var failure: (any Error)?
        let sum = Toy.gradient(of: block) { slot in
            let target = BulkBuffer(count: Toy.bytes)
            let id = Toy.sampleID(step: step, slot: slot)
            let sample = hasData ? Toy.sample(id) : state.withLock { $0.samples[id] ?? [] }
            Toy.slotGradient(weights: weights, step: step, slot: slot, sample: sample, into: target)
            do { try slotComputed(step, slot) } catch { failure = error }
            return failure == nil && slotDone() ? target : nil
        }
        if let failure { throw failure }
        return sum.map { BulkPayload($0) }
    }
}

/// Something that runs on a thread of its own, so that no test blocks the threads that all tests share.
final class Running<Value: Sendable>: Sendable {
    private let state = Mutex<(value: Value?, waiters: [CheckedContinuation<Value, Never>])>((nil, []))

    init(_ body: @escaping @Sendable () -> Value) {
        let thread = Thread { [self] in
            let value = body()
            let waiters = state.withLock { state in
                state.value = value
                return state.waiters
            }
            for waiter in waiters { waiter.resume(returning: value) }
        }
        thread.stackSize = 8 << 20
        thread.start()
    }

    var value: Value {
        get async {
            await withCheckedContinuation { continuation in
                let value = state.withLock { state in
                    if state.value == nil { state.waiters.append(continuation) }
                    return state.value
                }
                if let value { continuation.resume(returning: value) }
            }
        }
    }
}

import ArgumentParser
import CommandSupport
import Fleet
import Foundation
import Synchronization
import Training
import Transport

/// `mvq bench straggler`: what one slow worker costs the others.
struct BenchStraggler: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "straggler", abstract: "Times the steps of a small fleet, first with equal workers, then with one that is much slower.",
        discussion: """
            A real coordinator and real workers over loopback, with the default heartbeat; the computation of a slot is a sleep, so that the machine
            that this runs on does not matter. Without the slow worker the others would take W / (W - 1) of the undisturbed time; with all of its speed
            used, W / (W - 1 + 1 / factor).
            """)

    @Option(help: "Workers.") var workers = 4
    @Option(help: "Slots of a step; a power of two.") var slots = 64
    @Option(help: "What a slot takes.") var slotSeconds = 0.25
    @Option(help: "How much slower the slow worker is.") var factor = 10.0
    @Option(help: "Steps that count; one more comes before them, in which nobody's speed is known.") var steps = 8
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        for (name, value) in [("--workers", workers), ("--slots", slots), ("--steps", steps)] { try validateCount(name, value) }
        guard slots & (slots - 1) == 0 else { throw ValidationError("--slots is \(slots); it must be a power of two") }
        for (name, value) in [("--slot-seconds", slotSeconds), ("--factor", factor)] {
            guard value > 0, value <= 1000 else { throw ValidationError("\(name) is \(value); it must be above 0, at most 1000") }
        }
    }

    struct Result: Encodable {
        let workers: Int
        let slots: Int
        let slotSeconds: Double
        let factor: Double
        /// Of each step, the first one apart.
        let equal: [Double]
        let straggler: [Double]
        let firstEqual: Double
        let firstStraggler: Double
        let ratioMedian: Double
        let ratioWorst: Double
    }

    func run() throws {
        let equal = try stepSeconds(slow: nil, ProgressCounter("equal workers, step", after: 2))
        let straggler = try stepSeconds(slow: 0, ProgressCounter("a slow worker, step", after: 2))
        let median = Timing(of: Array(equal.dropFirst())).median
        let ratios = straggler.dropFirst().map { $0 / median }
        let result = Result(
            workers: workers, slots: slots, slotSeconds: slotSeconds, factor: factor, equal: Array(equal.dropFirst()), straggler: Array(straggler.dropFirst()),
            firstEqual: equal[0], firstStraggler: straggler[0], ratioMedian: Timing(of: ratios).median, ratioWorst: ratios.max() ?? .nan)
        guard !json else { return try printJSON(result) }
        func list(_ times: [Double]) -> String { times.map { String(format: "%.2f", $0) }.joined(separator: " ") }
        print(
            """
            \(workers) workers, \(slots) slots of \(slotSeconds) s; seconds of each step
              all equal           \(list(result.equal))   (the first \(list([result.firstEqual])))
              one \(String(format: "%g", factor)) times slower  \(list(result.straggler))   (the first \(list([result.firstStraggler])))
            """)
        let count = Double(workers)
        print(
            String(
                format: "  ratio to the equal workers' median: median %.2f, worst %.2f; without the slow one %.2f, with all of its speed %.2f", result.ratioMedian,
                result.ratioWorst, count / (count - 1), count / (count - 1 + 1 / factor)))
    }

    /// Seconds from commit to commit; the first from when all workers are there.
    private func stepSeconds(slow: Int?, _ counter: ProgressCounter) throws -> [Double] {
        let task = ExchangeTask(weightsBytes: 4096, gradientBytes: 4096, slots: slots, computeSeconds: slotSeconds, chunkBytes: 4096)
        let delegate = ExchangeCoordinator(task, steps: steps + 1)
        delegate.reported = { [steps] in if case .stepStarted(let step, _) = $0 { counter.update(step, of: steps + 1) } }
        let loop = try CoordinatorLoop(
            configuration: task.coordinator(generation: 1, workers: workers, creditBytes: 1 << 20), plan: task.plan(step: 0),
            listen: "tcp://127.0.0.1:*", bulkListen: "tcp://127.0.0.1:*", delegate: delegate)
        let context = try Context()
        let failure = Mutex<FleetExit?>(nil)
        let group = DispatchGroup()
        for number in 0..<workers {
            let worker = try WorkerLoop(
                address: loop.endpoint, hello: ExchangeTask.hello(number: number), context: context,
                delegate: PacedWorker(task, slotSeconds: slotSeconds * (number == slow ? factor : 1)))
            group.enter()
            Thread {
                let end = worker.run()
                if end.exitCode != ExitCode.done { failure.withLock { $0 = end } }
                group.leave()
            }.start()
        }
        let end = loop.run()
        group.wait()
        counter.finish()
        if let failure = failure.withLock({ $0 }) { throw failure }
        guard end.exitCode == ExitCode.done else { throw end }
        let times = delegate.times
        guard let start = times[0].start else { preconditionFailure("a run without a first step") }
        let ends = times.compactMap(\.commit)
        return zip([start] + ends, ends).map { $0.duration(to: $1).inSeconds }
    }
}

/// A worker whose slots take a time of their own, and whose gradients are zero.
private final class PacedWorker: WorkerDelegate {
    private let task: ExchangeTask
    private let slotSeconds: Double

    init(_ task: ExchangeTask, slotSeconds: Double) {
        self.task = task
        self.slotSeconds = slotSeconds
    }

    func join(_ welcome: Welcome) throws {}
    func plan(step: Int) throws -> StepPlan { task.plan(step: step) }
    func missingSamples(step: Int, block: SlotBlock) throws -> [Int] { [] }
    func store(sample id: Int, bytes: [UInt8]) throws {}
    func report(_ event: WorkerEvent) {}

    func compute(step: Int, block: SlotBlock, weights: BulkBuffer, slotDone: () -> Bool) throws -> BulkPayload? {
        for _ in 0..<block.count {
            Thread.sleep(forTimeInterval: slotSeconds)
            guard slotDone() else { return nil }
        }
        return BulkPayload(BulkBuffer(count: task.gradientBytes))
    }
}

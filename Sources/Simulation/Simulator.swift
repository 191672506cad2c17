import Checksums
import Fleet

/// Drives the production state machines of `Fleet` in one thread, with a virtual clock and an in-memory network, through the faults of a
/// scenario, and checks the invariants after every event. Everything that happens follows from the scenario: a seed that fails once fails always.
///
/// ```swift
/// let outcome = Simulator(Scenario(drawnFrom: 17)).run()
/// print(outcome.violations.first?.description ?? "all invariants hold")
/// ```
public final class Simulator {
    public let scenario: Scenario
    /// Goes on after a violation, to see what comes of it.
    public var stopsAtViolation = true
    /// Called with every event of the fleet, as the coordinator reports it.
    public var onFleetEvent: ((FleetEvent) -> Void)?
    /// Called with a line for every event and action.
    public var trace: ((String) -> Void)?

    static let start = Instant(nanoseconds: 1_000_000_000)
    let training: ToyTraining
    let reference: UndisturbedRun
    var random: SeededGenerator
    private(set) var now = Simulator.start
    private var queue = EventQueue()
    var disk = SimulatedDisk()
    var coordinator: SimulatedCoordinator?
    var workers: [SimulatedWorker] = []
    var network = SimulatedNetwork()

    private(set) var exit: FleetExit?
    private(set) var violations: [Violation] = []
    private var events = 0
    var faults: [Fault: Int] = [:]
    var replayedSteps = 0
    private var committedSteps = 0
    private var commitSeconds: [Double] = []
    private var peakWaiting = 0
    private var lastLine: [UInt8] = []
    private var hasEnded = false

    public init(_ scenario: Scenario) {
        self.scenario = scenario
        training = ToyTraining(seed: scenario.seed, slots: scenario.slots, tellsCost: scenario.tellsCost)
        reference = UndisturbedRun(training, steps: scenario.steps)
        random = SeededGenerator(seed: scenario.seed)
    }

    /// True when nothing that happens matters any more.
    var isOver: Bool { hasEnded || (stopsAtViolation && !violations.isEmpty) }

    // MARK: Virtual time

    func after(_ delay: Duration, _ body: @escaping () -> Void) { at(now + delay, body) }
    func at(_ time: Instant, _ body: @escaping () -> Void) { queue.add(at: max(time, now), body) }

    /// Runs the scenario until the coordinator has completed the training, and a little longer so that the workers hear of it. Call it once.
    public func run() -> SimulationOutcome {
        startCoordinator()
        for _ in 0..<scenario.workers { startWorker(after: random.seconds(0...3)) }
        planFaults()
        if let first = workers.first, let seconds = scenario.flappingSeconds { flap(first, every: seconds) }
        let limit = now + .seconds(scenario.limitSeconds)
        var lastCall: Instant?
        while !isOver, let entry = queue.next() {
            now = entry.time
            if exit != nil, lastCall == nil { lastCall = now + .seconds(5) }
            if let lastCall, now >= lastCall { break }
            guard now < limit else {
                violate(.completion, "the run does not end; \(committedSteps) of \(scenario.steps) steps are committed")
                break
            }
            entry.body()
        }
        hasEnded = true
        queue.removeAll()
        network.removeAll()
        return SimulationOutcome(
            scenario: scenario, violations: violations, exit: exit, events: events, faults: faults,
            virtualSeconds: seconds, committedSteps: committedSteps, commitSeconds: commitSeconds, replayedSteps: replayedSteps, generations: Int(disk.generation),
            processes: workers.count, peakPartialSums: peakWaiting)
    }

    // MARK: Processes

    func startCoordinator() {
        guard coordinator == nil, exit == nil else { return }
        guard disk.checkpoint.step < scenario.steps else {
            // It ended between its last checkpoint and its last word: nothing is left to do.
            return complete(FleetExit(exitCode: ExitCode.done, text: "all steps are done already"))
        }
        do {
            coordinator = try SimulatedCoordinator(simulator: self)
            note { "coordinator starts: generation \(disk.generation), step \(disk.checkpoint.step)" }
        } catch {
            violate(.journalChain, error.description)
        }
    }

    /// - Parameter host: the machine; a new one if nil.
    @discardableResult
    func startWorker(after delay: Duration, host: Int? = nil) -> SimulatedWorker {
        let worker = SimulatedWorker(simulator: self, number: workers.count, host: host ?? workers.count)
        workers.append(worker)
        after(delay) { worker.start() }
        return worker
    }

    private func flap(_ worker: SimulatedWorker, every seconds: Double) {
        after(.seconds(seconds)) { [unowned self] in
            guard exit == nil else { return }
            worker.crash()
            flap(startWorker(after: .seconds(1), host: worker.host), every: seconds)
        }
    }

    func crashCoordinator() {
        guard let old = coordinator else { return }
        note { "coordinator dies in step \(old.step)" }
        old.crash()
        coordinator = nil
        breakLinks(discardingToWorkers: true)
        after(random.seconds(0.1...20)) { [unowned self] in startCoordinator() }
    }

    func coordinatorEnded(_ end: FleetExit) {
        coordinator = nil
        breakLinks(discardingToWorkers: false)
        switch end.exitCode {
        case ExitCode.done: complete(end)
        case ExitCode.preempted:
            after(random.seconds(0.1...20)) { [unowned self] in
                guard exit == nil else { return }
                startCoordinator()
                for _ in 0..<max(scenario.workers, scenario.minimumWorkers) { startWorker(after: random.seconds(0...3)) }
            }
        default:
            exit = end
            violate(.completion, "the coordinator ends with \(end.exitCode): \(end.text)")
        }
    }

    func workerEnded(_ worker: SimulatedWorker, _ end: FleetExit) {
        guard end.exitCode != ExitCode.done, end.exitCode != ExitCode.preempted else { return }
        if end.exitCode == ExitCode.unavailable, mayMiscompute {
            // Kept away: somebody starts it again, and another one in its place.
            startWorker(after: random.seconds(1...40), host: worker.host)
            if worker.host == worker.number { startWorker(after: random.seconds(1...40)) }
            return
        }
        violate(.completion, "worker \(worker.number) ends with \(end.exitCode): \(end.text)")
    }

    // MARK: Checks

    var seconds: Double { Double(now.nanoseconds - Simulator.start.nanoseconds) / 1e9 }

    func violate(_ invariant: Invariant, _ text: String) {
        note { "VIOLATION \(invariant.rawValue): \(text)" }
        violations.append(Violation(seed: scenario.seed, invariant: invariant, seconds: seconds, text: text))
    }

    /// A line of the trace.
    func note(_ text: () -> String) {
        guard let trace else { return }
        trace("\(seconds) \(text())")
    }

    func countEvent() { events += 1 }

    func report(_ event: FleetEvent) {
        onFleetEvent?(event)
        switch event {
        case .mismatch where !mayMiscompute, .undecided where !mayMiscompute: violate(.reference, event.description)
        // Somebody does what the coordinator asks for.
        case .undecided where faults[.bitFlip, default: 0] > 0: startWorker(after: random.seconds(1...40))
        case .lost where isCalm: violate(.completion, "in a fleet without faults: \(event)")
        default: break
        }
    }

    /// True when nothing happens that could lose a worker.
    private var isCalm: Bool {
        scenario.faults == 0 && scenario.poisonedSlot == nil && scenario.differingWorker == nil && exit == nil
            && scenario.flappingSeconds == nil && !mayMiscompute && scenario.slowness.values.allSatisfy { $0 < 1000 }
    }

    /// True when results of a block may differ.
    private var mayMiscompute: Bool { scenario.faultyWorker != nil || faults[.bitFlip, default: 0] > 0 }

    func check(weights: ToyTraining.Vector, of step: Int, worker: Int) {
        let digest = ToyTraining.digest(weights)
        guard step < scenario.steps, digest != reference.weightsDigests[step] else { return }
        violate(.sameWeights, "worker \(worker) computes step \(step) with weights \(weights), not \(reference.weights[step])")
    }

    func check(_ record: JournalRecord) {
        let expected = reference.steps[record.step]
        let pairs = [
            ("gradient digest", record.gradientDigest, expected.gradientDigest), ("weights digest", record.weightsDigest, expected.weightsDigest),
            ("sample ids", record.samplesDigest, training.plan(record.step).samplesDigest), ("audit hash", record.auditHash, expected.auditHash),
        ]
        for (what, found, expected) in pairs where found != expected {
            violate(.reference, "step \(record.step): the \(what) is \(found), in the undisturbed run \(expected)")
        }
    }

    func noteMerge(waiting: Int, arriving: Int) {
        peakWaiting = max(peakWaiting, waiting)
        if waiting > max(1, scenario.slots / 2) {
            violate(.reducerMemory, "\(waiting) partial sums wait in a tree over \(scenario.slots) slots")
        }
    }

    /// Writes a line of the journal, and looks whether it follows the one before.
    func append(_ line: [UInt8]) {
        let previous = SHA256.digest(of: String(decoding: lastLine, as: UTF8.self))
        if !String(decoding: line, as: UTF8.self).contains("\"previous\":\"\(previous)\"") {
            violate(.journalChain, "the line of \(line.count) bytes after \(disk.journal.count) does not follow the line before it")
        }
        lastLine = Array(line.dropLast())
        disk.journal += line
    }

    func committed(step: Int) {
        if step == commitSeconds.count { commitSeconds.append(seconds) }
        committedSteps = max(committedSteps, step + 1)
        note { "step \(step) is committed" }
    }

    /// The run is complete: the whole journal and the last weights once more, as a reader of the run folder would find them.
    private func complete(_ end: FleetExit) {
        exit = end
        do {
            let journal = try disk.readJournal()
            if journal.records.map(\.step) != Array(0..<scenario.steps) {
                violate(.everySlotOnce, "the journal of \(scenario.steps) steps holds \(journal.records.map(\.step))")
            }
            for record in journal.records where record.step < scenario.steps {
                check(record)
                let slots = record.blocks.flatMap { Array($0.block.slots) }
                if slots != Array(0..<scenario.slots) { violate(.everySlotOnce, "the journal names slots \(slots) for step \(record.step)") }
            }
        } catch {
            violate(.journalChain, error.description)
        }
        if ToyTraining.digest(disk.checkpoint.weights) != reference.weightsDigests[scenario.steps] {
            violate(.reference, "the last weights are \(disk.checkpoint.weights), in the undisturbed run \(reference.weights[scenario.steps])")
        }
    }
}

/// For traces: numbers by name, so that equal runs have equal lines.
extension StepPlan: CustomDebugStringConvertible {
    public var debugDescription: String {
        "step \(step), epoch \(epoch), \(slots) slots, "
            + values.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value), " }.joined() + "samples \(samplesDigest.prefix(8))"
    }
}

import Checkpoints
import Checksums
import Failpoints
import Fleet
import Foundation
import Synchronization
import Telemetry
import TensorCore
import Transport

/// A coordinator's run that makes something piece by piece (`MapJob`), e.g. a file of tokens. Its folder holds the configuration and the journal.
///
/// A step's result is kept durably by the job before the step's line is journaled; so after a crash what the job has kept is cut back to what the
/// journal says, or the other way round: steps that the job has lost are computed again, and must have the digests of their lines.
// Sendable: `requestStop` touches only what is atomic or behind the mutex, `sample` what never changes. All else belongs to the thread of `run()`, and
// while the fleet's loop runs to the one thread that its merges and step ends come from.
public final class MapRun: @unchecked Sendable {
    let job: any MapJob
    private let options: CoordinatorOptions
    private let directory: RunDirectory
    let journal: RunJournal
    let pool: ThreadPool
    let report: MapReport
    private let grace: StopGrace
    /// Steps that are kept and journaled.
    var step: Int
    var tree: SlotTree<Tensor>
    var root: Tensor?
    var poison: [Int]?
    /// What workers get, for all steps.
    let weightBuffer: BulkBuffer
    private let loop = Mutex<CoordinatorLoop?>(nil)
    private let stopRequested = Atomic<Bool>(false)

    /// Takes the run directory and what an earlier process kept.
    ///
    /// - Throws: one-line errors with their exit codes, as `CoordinatorRun` does.
    public convenience init(_ job: TokenizeJob, options: CoordinatorOptions, progress: ProgressLine) throws {
        try self.init(job: job, options: options, progress: progress)
    }

    public convenience init(_ job: GenerateJob, options: CoordinatorOptions, progress: ProgressLine) throws {
        try self.init(job: job, options: options, progress: progress)
    }

    init(job: any MapJob, options: CoordinatorOptions, progress: ProgressLine) throws {
        Failpoints.reach(.coordinatorBoot)
        self.job = job
        self.options = options
        directory = try RunDirectory(options.run)
        Failpoints.reach(.coordinatorLock)
        try RunStart.check(job.configuration, against: directory)
        journal = try RunJournal(run: directory)
        if options.resume == .never, journal.end != nil { throw TrainingError.runExists(directory.path) }
        step = try job.open(keeping: journal.end ?? 0)
        Failpoints.reach(.coordinatorRecover)
        try directory.storeConfig(job.configuration.yaml)
        pool = ThreadPool(threads: options.threads)
        grace = StopGrace(seconds: options.graceSeconds, checkpointBytes: 0)
        tree = SlotTree(slots: job.slots)
        let weightBuffer = BulkBuffer(count: job.weights.count * MemoryLayout<Float>.stride)
        job.weights.withBytes { weightBuffer.bytes.copyMemory(from: $0) }
        self.weightBuffer = weightBuffer
        report = MapReport(job, progress: progress, done: step)
        let replayed = max(0, (journal.end ?? 0) - step)
        report.event(
            journal.end == nil
                ? "new run in \(directory.path): \(job.images(after: job.steps)) images in \(job.steps) steps"
                : "continuing after step \(step) of \(job.steps)"
                    + (replayed > 0 && !job.isFinished ? "; \(replayed) journaled steps are computed again and must come out the same" : ""))
    }

    /// Works until all is made, the run is told to stop, or it cannot go on.
    public func run() -> FleetExit {
        defer { report.finish() }
        do {
            if step < job.steps {
                let loop = try makeLoop()
                self.loop.withLock { $0 = loop }
                try FileSystem.replace(directory.path + "/endpoint", with: loop.endpoint + "\n")
                if case .insecure = options.security { report.event(CoordinatorOptions.insecureWarning(loop.endpoint)) }
                report.event("listening on \(loop.endpoint) (bulk data on \(loop.bulkEndpoint)); waiting for workers")
                Failpoints.reach(.coordinatorGather)
                if stopRequested.load(ordering: .acquiring) { requestStop() }
                let exit = loop.run().named(endpoint: loop.endpoint, poison: poison, count: job.sampleCount) { job.path(of: $0) }
                self.loop.withLock { $0 = nil }
                guard exit.exitCode == ExitCode.done else { return exit }
            }
            let made = try job.finish()
            report.event(made)
            return FleetExit(exitCode: ExitCode.done, text: made)
        } catch {
            return FleetExit(error)
        }
    }

    /// Ends the run from any thread: the step at hand is finished if the grace leaves time for it, and dropped otherwise; `run()` returns exit code 75.
    public func requestStop() {
        stopRequested.store(true, ordering: .releasing)
        guard let loop = loop.withLock({ $0 }) else { return }
        let patience = grace.patience(checkpoints: 0, secondsEach: 0)
        loop.requestStop(exitCode: ExitCode.preempted, text: "stopped; the same command continues the run", patience: patience)
        report.event("asked to stop: the step at hand may take \(String(format: "%.1f", patience.inSeconds)) s more")
    }

    /// When a run that was asked to stop has to be over.
    public var graceSeconds: Double { grace.seconds }

    private func makeLoop() throws -> CoordinatorLoop {
        let runID = RunID(high: .random(in: 0...UInt64.max), low: .random(in: 0...UInt64.max))
        let float = MemoryLayout<Float>.stride
        var fleet = CoordinatorConfiguration(
            runID: runID, generation: UInt64(directory.generation), buildVersion: BuildVersion.current,
            numericClass: NumericEnvironment.numericClass, configuration: job.configuration.yaml, datasetFingerprint: job.datasetFingerprint,
            sampleCount: job.sampleCount, weightsBytes: job.weights.count * float, gradientBytes: job.resultCount * float)
        fleet.canary = try Canary(job.configuration, pool: pool)
        fleet.apply(options, grace: grace)
        return try CoordinatorLoop(
            configuration: fleet, plan: job.stepPlan(step), listen: options.listen, security: options.security, delegate: self)
    }
}

extension MapRun: CoordinatorDelegate {
    public func weights() -> BulkPayload { BulkPayload(weightBuffer) }

    public func sample(_ id: Int) throws -> [UInt8] { try job.sample(id) }

    public func merge(step: Int, block: SlotBlock, gradient: BulkBuffer) throws {
        Failpoints.reach(.coordinatorCollect)
        let vector = Tensor(sharing: gradient.bytes, owner: gradient, [job.resultCount])
        root = tree.insert(vector, at: block) { left, right in
            left.accumulateInPlace(right, pool: pool)
            return left
        }
    }

    public func restartStep(_ step: Int) {
        tree = SlotTree(slots: job.slots)
        root = nil
    }

    public func finishStep(_ step: Int, blocks: [LeaseTable.Finished]) throws -> StepPlan? {
        let plan = job.stepPlan(step)
        if let problem = blocks.map(\.block).coverageProblem(slots: plan.slots) {
            throw TrainingError.notExactlyOnce(epoch: 0, step: step, what: "of its slots, \(problem)")
        }
        guard let sum = root else { preconditionFailure("step \(step) ended without a result") }
        restartStep(step)
        let record = JournalRecord(
            step: step, epoch: 0, values: [:], gradientDigest: sum.withBytes { SHA256.digest(of: $0) }, weightsDigest: job.weightsDigest,
            samplesDigest: plan.samplesDigest, auditHash: "", blocks: blocks.map { JournalRecord.Block(session: $0.session, block: $0.block) })
        // A journaled step that is done again is compared before it is kept.
        if journal.record(of: step) != nil { try journal.commit(record) }
        try job.keep(sum, step: step)
        try journal.commit(record)
        self.step = step + 1
        report.step(self.step)
        return self.step < job.steps ? job.stepPlan(self.step) : nil
    }

    public func report(_ event: FleetEvent) {
        if case .stepStarted = event { Failpoints.reach(.coordinatorPlan) }
        if case .poisonBlock(let step, let block, _) = event { poison = job.samples(step: step, block: block) }
        report.fleet(event)
    }
}

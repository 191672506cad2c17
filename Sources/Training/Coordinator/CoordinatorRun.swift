import Checkpoints
import Checksums
import Failpoints
import Fleet
import Foundation
import ImageData
import NeuralNet
import Synchronization
import Telemetry
import TensorCore
import Transport

/// A training run on the head node: owns weights, optimizer state, journal and checkpoints, and does the one thing per step that no worker does,
/// the update.
// Sendable: `requestStop` touches only what is atomic or behind the mutex, `sample` only the source. All else belongs to the thread of `run()`, and while
// the fleet's loop runs to the one thread that its merges and step ends come from.
public final class CoordinatorRun: @unchecked Sendable {
    let configuration: RunConfiguration
    private let options: CoordinatorOptions
    private let directory: RunDirectory
    let source: any SampleSource
    let plan: TrainingPlan
    private let model: any TrainedModel
    let vectors: TrainingVectors
    private let facts: TrainingState.Facts
    let pool: ThreadPool
    let update: StepUpdate
    let journal: RunJournal
    private let store: CheckpointStore
    let writer: CheckpointWriter
    /// Nil if nothing is to be evaluated.
    private let evaluator: CheckpointEvaluator?
    let report: RunReport
    private let grace: StopGrace

    private let firstStep: Int
    var state: TrainingState
    var tree: SlotTree<Tensor>
    var root: Tensor?
    var audit: TrainingPlan.Audit?
    var weightBuffers: BufferPool
    private var snapshots: SnapshotMemory
    /// The samples of a slot that kills workers.
    var poison: [Int]?
    /// The step of the newest checkpoint given to the writer.
    private var handedOver: Int?
    private let loop = Mutex<CoordinatorLoop?>(nil)
    private let stopRequested = Atomic<Bool>(false)

    /// Takes the run directory, reads the dataset's index and the newest checkpoint, and binds the sockets.
    ///
    /// - Throws: one-line errors with their exit codes: data (65), checkpoints (66), lock held (73), disk (74), configuration (78), address (69).
    public init(configuration: RunConfiguration, options: CoordinatorOptions, progress: ProgressLine) throws {
        Failpoints.reach(.coordinatorBoot)
        source = try configuration.source(at: options.data)
        let configuration = try configuration.completed(for: source)
        self.configuration = configuration
        self.options = options
        model = configuration.trainedModel
        vectors = TrainingVectors(model)
        let fingerprint = try source.datasetFingerprint()
        directory = try RunDirectory(options.run)
        Failpoints.reach(.coordinatorLock)
        plan = TrainingPlan(configuration: configuration, sampleCount: source.count)
        pool = ThreadPool(threads: options.threads)
        update = StepUpdate(plan, model: model, vectors: vectors, pool: pool)
        journal = try RunJournal(run: directory)
        let directory = directory
        let evaluator = try CoordinatorRun.evaluator(configuration, options, plan, directory, progress)
        self.evaluator = evaluator
        store = CheckpointStore(
            directory: directory.checkpoints, keepLast: configuration.checkpoints.keepLast,
            keepEvery: configuration.checkpoints.keepEverySteps == 0 ? nil : configuration.checkpoints.keepEverySteps,
            beforeStage: { _ in try directory.verifyGeneration() }, keeps: { evaluator?.keeps($0) ?? false })
        try store.prepare()
        let start = try RunStart(
            options, directory: directory, store: store, journal: journal, configuration: configuration, model: model,
            fingerprint: fingerprint)
        Failpoints.reach(.coordinatorRecover)
        try directory.storeConfig(configuration.yaml)
        state = start.state
        firstStep = start.state.step
        audit = try journal.audit(before: start.state.step)
        facts = TrainingState.Facts(
            configuration: configuration, runID: start.runID.description, datasetFingerprint: fingerprint, sampleCount: source.count,
            numericClass: NumericEnvironment.numericClass, epoch: 0, firstStep: start.firstStep, source: source.attributes)
        grace = StopGrace(seconds: options.graceSeconds, checkpointBytes: 4 * model.layout.count * MemoryLayout<Float>.stride)
        tree = SlotTree(slots: configuration.training.slots)
        weightBuffers = BufferPool(count: vectors.weightsCount * MemoryLayout<Float>.stride)
        snapshots = SnapshotMemory(model: model)
        report = try RunReport(run: directory, plan: plan, progress: progress, firstStep: start.state.step)
        let report = report
        writer = CheckpointWriter(store: store, retrySeconds: RunReport.retrySeconds) { step, result in
            report.checkpoint(step, result)
            evaluator?.published()
        }
        evaluator?.start(store)
        for note in start.notes { report.event(note) }
    }

    /// The evaluator of a run of tokenizers that has one; without validation images there is nothing to evaluate, which is said.
    private static func evaluator(
        _ configuration: RunConfiguration, _ options: CoordinatorOptions, _ plan: TrainingPlan, _ directory: RunDirectory, _ progress: ProgressLine
    ) throws -> CheckpointEvaluator? {
        guard configuration.task == .tokenizer, configuration.evaluation.everySteps > 0 || configuration.evaluation.everyEpochs > 0 else { return nil }
        let folder: ImageFolder
        do {
            folder = try ImageFolder(root: options.data, split: "val")
        } catch {
            progress.event("nothing will be evaluated: \(error)")
            return nil
        }
        return try CheckpointEvaluator(
            configuration: configuration, plan: plan, folder: folder, run: directory, threads: options.threads
        ) { progress.event($0) }
    }

    /// Trains until all steps are done, the run is told to stop, or it cannot go on; then writes the last checkpoint.
    public func run() -> FleetExit {
        defer { report.finish() }
        var exit: FleetExit
        if state.step >= configuration.training.steps {
            exit = FleetExit(exitCode: ExitCode.done, text: "all \(state.step) steps are done already")
        } else {
            do {
                let loop = try makeLoop()
                self.loop.withLock { $0 = loop }
                try FileSystem.replace(directory.path + "/endpoint", with: loop.endpoint + "\n")
                if case .insecure = options.security {
                    report.event(CoordinatorOptions.insecureWarning(loop.endpoint))
                }
                report.event("listening on \(loop.endpoint) (bulk data on \(loop.bulkEndpoint)); waiting for workers")
                Failpoints.reach(.coordinatorGather)
                if try state.step == 0 || !store.steps().contains(state.step) { checkpoint() }
                if stopRequested.load(ordering: .acquiring) { requestStop() }
                exit = loop.run().named(endpoint: loop.endpoint, poison: poison, count: source.count) { source.path(of: $0) }
                self.loop.withLock { $0 = nil }
            } catch {
                exit = FleetExit(error)
            }
        }
        switch exit.exitCode {
        case ExitCode.done, ExitCode.preempted: finalCheckpoint()
        // After a bad image or the loss of all workers the committed steps are as good as ever. After a step that is not finite they are not:
        // the weights that led there shall not push a checkpoint from before out.
        case ExitCode.badData, ExitCode.unavailable: if state.step > firstStep { finalCheckpoint() }
        default: break
        }
        writer.finish()
        if exit.exitCode == ExitCode.done || exit.exitCode == ExitCode.preempted, let failure = report.lastCheckpointFailure {
            exit = FleetExit(exitCode: ExitCode.disk, text: failure)
        }
        guard let evaluator else { return exit }
        guard exit.exitCode == ExitCode.done else {
            evaluator.stop()
            return exit
        }
        guard evaluator.finish() else {
            return FleetExit(exitCode: ExitCode.preempted, text: "training is done, its evaluation is not; the same command finishes it")
        }
        do {
            try store.removeOld()
        } catch {
            report.event("old checkpoints stay: \(error)")
        }
        return exit
    }

    /// Ends the run from any thread: the step at hand is finished if the grace leaves time for it and for the checkpoint after it, and dropped
    /// otherwise; a checkpoint is written, and `run()` returns exit code 75. What was not evaluated yet will be at the next start.
    public func requestStop() {
        stopRequested.store(true, ordering: .releasing)
        evaluator?.requestStop()
        guard let loop = loop.withLock({ $0 }) else { return }
        let patience = grace.patience(checkpoints: writer.backlog + 1, secondsEach: writer.secondsPerCheckpoint)
        loop.requestStop(
            exitCode: ExitCode.preempted, text: "stopped; the same command continues the run", patience: patience)
        report.event("asked to stop: the step at hand may take \(String(format: "%.1f", patience.inSeconds)) s more, then a checkpoint")
    }

    /// When a run that was asked to stop has to be over, whatever it is doing: somewhat before the grace is.
    public var graceSeconds: Double { grace.seconds }

    private func makeLoop() throws -> CoordinatorLoop {
        guard let runID = RunID(facts.runID) else { preconditionFailure("run id \(facts.runID)") }
        var fleet = CoordinatorConfiguration(
            runID: runID, generation: UInt64(directory.generation), buildVersion: BuildVersion.current,
            numericClass: facts.numericClass, configuration: configuration.yaml, datasetFingerprint: facts.datasetFingerprint,
            sampleCount: source.count, weightsBytes: vectors.weightsCount * MemoryLayout<Float>.stride,
            gradientBytes: vectors.resultCount * MemoryLayout<Float>.stride)
        fleet.canary = try Canary(configuration, pool: pool)
        fleet.apply(options, grace: grace)
        return try CoordinatorLoop(configuration: fleet, plan: plan.stepPlan(state.step), listen: options.listen, security: options.security, delegate: self)
    }

    /// Hands a snapshot to the writer; if it is still busy with the one before, this one is left out.
    func checkpoint() {
        guard writer.isReady else {
            report.event("checkpoint of step \(state.step) left out: the one before is still being written")
            return
        }
        handOver()
    }

    /// Copies the state for the writer, after waiting for its turn if need be: there are never more than two snapshots.
    func handOver() {
        guard writer.waitForRoom() else { return }
        var facts = facts
        facts.epoch = plan.epoch(of: state.step)
        writer.offer(snapshots.snapshot(of: state, facts: facts, pool: pool))
        handedOver = state.step
    }

    /// The last checkpoint of the run; one of this step that is there or still being written will do.
    private func finalCheckpoint() {
        let isThere = state.step == firstStep && (try? store.steps().contains(state.step)) == true
        if handedOver != state.step, !isThere { handOver() }
    }
}

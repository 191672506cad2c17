import Checkpoints
import Fleet
import Foundation
import Synchronization
import Telemetry

/// What a run tells people and tools: the progress line, events above it, and `metrics.jsonl`.
final class RunReport: Sendable {
    private struct State {
        var workers: [SessionID] = []
        var rate: ExponentialRate
        var lastCheckpointFailure: String?
        /// Attempts that failed since the last checkpoint.
        var checkpointFailures = 0
        /// The step of the newest checkpoint of this process.
        var checkpointStep: Int?
    }

    /// Seconds until a checkpoint that could not be written is tried again.
    static let retrySeconds = 30.0

    private let plan: TrainingPlan
    private let progress: ProgressLine
    // The log is used by the coordinator's thread alone.
    nonisolated(unsafe) private let metrics: MetricsLog
    private let state: Mutex<State>

    /// Opens the metrics file; lines of steps that will be computed again are cut off.
    init(run: RunDirectory, plan: TrainingPlan, progress: ProgressLine, firstStep: Int) throws {
        self.plan = plan
        self.progress = progress
        let file = try AppendOnlyFile(path: run.metrics, isSynchronised: false)
        _ = try file.truncate { (MetricsLog.step(ofLine: $0) ?? Int.max) < firstStep }
        metrics = MetricsLog { try file.append($0) }
        state = Mutex(State(rate: ExponentialRate(timeConstant: 20, startingAt: RunReport.now)))
    }

    private static var now: Double { ProcessInfo.processInfo.systemUptime }

    var lastCheckpointFailure: String? { state.withLock { $0.lastCheckpointFailure } }

    func event(_ text: String) { progress.event(text) }

    func finish() { progress.finish() }

    /// A committed step: one line of metrics, and the progress line.
    func step(_ step: Int, epoch: Int, values: [String: Double], images: Int) throws {
        let now = RunReport.now
        let (rate, workers, failures, checkpoint) = state.withLock { state in
            state.rate.add(Double(images), at: now)
            return (state.rate.perSecond, state.workers.count, state.checkpointFailures, state.checkpointStep)
        }
        var record = values.mapValues { MetricValue.double($0) }
        record["epoch"] = .integer(epoch)
        record["images"] = .integer(images)
        record["workers"] = .integer(workers)
        record["checkpoint_failures"] = .integer(failures)
        if let checkpoint { record["checkpoint_step"] = .integer(checkpoint) }
        if let rate { record["images_per_second"] = .double(rate) }
        try metrics.record(step: step, record)

        let total = plan.configuration.training.steps
        let left = Double((total - step - 1) * plan.configuration.training.globalBatch)
        progress.update(
            ProgressState(
                step: step + 1, totalSteps: total, epoch: plan.epochs(after: step + 1), loss: values["loss"],
                terms: terms(of: values), keptTokens: values["kept_tokens"].map { Int($0) }, imagesPerSecond: rate, workers: workers,
                remainingSeconds: rate.map { left / max($0, 1e-9) }), at: now)
    }

    /// The losses of the progress line, those that are on.
    private func terms(of values: [String: Double]) -> [ProgressState.Term] {
        guard plan.configuration.task == .tokenizer else {
            let shown = [("nll", "nll"), ("bits", "bits_per_token"), ("owners", "owner_accuracy"), ("codes", "code_accuracy")]
            return shown.compactMap { label, name in values[name].map { .init(label, $0) } }
        }
        let norm = plan.configuration.losses.reconstructionNorm.rawValue
        var terms: [ProgressState.Term] = [.init(norm, values["reconstruction"] ?? 0)]
        for (label, name) in [("lpips", "perceptual"), ("gan", "generator"), ("disc", "discriminator"), ("align", "alignment")] {
            if let value = values[name] { terms.append(.init(label, value)) }
        }
        terms += [
            .init("entropy", (values["entropy_per_sample"] ?? 0) - (values["entropy_batch"] ?? 0)),
            .init("commit", values["commitment"] ?? 0),
        ]
        if plan.configuration.losses.sourceRecovery > 0 { terms.append(.init("source", values["source_recovery"] ?? 0)) }
        return terms
    }

    /// A checkpoint was written, or could not be.
    func checkpoint(_ step: Int, _ result: Result<PublishedCheckpoint, any Error>) {
        switch result {
        case .success(let published):
            state.withLock { state in
                (state.lastCheckpointFailure, state.checkpointFailures, state.checkpointStep) = (nil, 0, step)
            }
            event("checkpoint \(published.file) (\(published.bytes / 1_000_000) MB)")
        case .failure(let error):
            let (failures, safe) = state.withLock { state in
                state.lastCheckpointFailure = "\(error)"
                state.checkpointFailures += 1
                return (state.checkpointFailures, state.checkpointStep)
            }
            event(
                "ALARM: checkpoint of step \(step) not written"
                    + (failures > 1 ? ", attempt \(failures) without success" : "")
                    + (safe.map { " (the newest is of step \($0))" } ?? "")
                    + ": \(error); tried again every \(Int(RunReport.retrySeconds)) s and with each new checkpoint")
        }
    }

    /// Something happened in the fleet; what happens many times a step is not for people.
    func fleet(_ event: FleetEvent) {
        switch event {
        case .joined(let session, _, _):
            state.withLock { $0.workers.append(session) }
        case .left(let session, _, _), .lost(let session, _, _, _):
            state.withLock { $0.workers.removeAll { $0 == session } }
        case .leased, .checked, .blockFinished, .stepStarted:
            return
        default:
            break
        }
        self.event("\(event)")
    }
}

import Checkpoints
import Fleet
import Foundation
import ImageData
import MergeVQ
import Telemetry
import TensorCore

/// Rechecks the folder of a run without workers, and without computing a step: what the journal says against its own chain of digests, against
/// the plan that follows from the configuration, and against checkpoints, metrics and evaluations. `RunReplay` checks what only computing shows.
public struct RunAudit {
    /// Called with what is being checked, how much of it is done, and all of it.
    public typealias Progress = (_ what: String, _ done: Int, _ all: Int) -> Void

    /// What a checkpoint says.
    private struct Facts {
        let step: Int
        let attributes: [String: AttributeValue]
        /// Recomputed from its tensors.
        let weightsDigest: String
    }

    private let run: StoredRun
    private let progress: Progress
    private var report: AuditReport

    /// - Parameters:
    ///   - data: the run's dataset, which must be the one of the checkpoints; without, they say how many images there are.
    /// - Throws: `TrainingError.noRun`, `ConfigurationError`, `DatasetError`, `FileError`; `TrainingError.otherDataset`. What is wrong with the
    ///   run itself is in the report.
    public static func report(on path: String, data: String? = nil, progress: @escaping Progress = { _, _, _ in }) throws -> AuditReport {
        var audit = RunAudit(run: try StoredRun(path), progress: progress, report: AuditReport(run: path))
        try audit.check(data: data)
        return audit.report
    }

    private mutating func check(data: String?) throws {
        // A coordinator at work writes the journal before anything that depends on it: read last, it knows of all the rest.
        let evaluations = try run.lines(of: "evaluation.jsonl")
        let checkpoints = try readCheckpoints()
        compareConfiguration(checkpoints)
        let journal: Journal
        do {
            journal = try run.journal()
        } catch let error as JournalError {
            report.add(error.problem)
            return
        }
        if let torn = journal.tornTail {
            report.warnings.append("journal.jsonl: \(torn); a crash or a coordinator at work leaves that, the next start cuts it off")
        }
        report.journalLines = journal.records.count
        report.firstStep = journal.records.first?.step
        report.samples = try sampleCount(data, checkpoints)
        check(journal.records)
        check(checkpoints, against: journal.records)
        check(evaluations, from: journal.records.first?.step ?? 0, to: journal.records.last.map { $0.step + 1 } ?? 0)
        checkMetrics(journal.records)
    }

    // MARK: Checkpoints

    /// Reads every checkpoint there is; a damaged one is a problem.
    private mutating func readCheckpoints() throws -> [Facts] {
        let model = run.configuration.trainedModel
        let steps = try run.store.steps()
        var facts: [Facts] = []
        for (number, step) in steps.enumerated() {
            progress("reading checkpoints", number, steps.count)
            let name = "checkpoints/" + (run.store.path(of: step) as NSString).lastPathComponent
            do {
                let loaded = try run.store.load(step: step) { $0.hasPrefix("/model/") || $0.hasPrefix("/statistics/") }
                let digest = try TrainingState.weightsDigest(of: loaded, model: model)
                facts.append(Facts(step: step, attributes: loaded.checkpoint.attributes, weightsDigest: digest))
            } catch {
                // A coordinator at work removes old ones.
                guard FileManager.default.fileExists(atPath: run.store.path(of: step)) else { continue }
                report.add(.init(file: name, field: "the file", reason: "cannot be used: \(error)"))
            }
        }
        return facts
    }

    /// The settings of the run's folder must be those of its checkpoints, those excepted that move no bit.
    private mutating func compareConfiguration(_ checkpoints: [Facts]) {
        let mine = run.configuration
        for checkpoint in checkpoints {
            guard let yaml = checkpoint.attributes["config"]?.string, let stored = try? RunConfiguration(yaml: yaml, file: "checkpoint") else {
                report.unknown.append("with which settings checkpoint \(checkpoint.step) was made: it holds no configuration")
                continue
            }
            let pairs = zip(mine.entries, stored.entries)
            guard let (here, there) = pairs.first(where: { $0.value != $1.value && !RunStart.mayChange($0.key, mine) }) else { continue }
            report.add(.init(
                file: "config.yaml", field: here.key, reason: "is \(here.value), checkpoint \(checkpoint.step) was made with \(there.value)"))
            return
        }
    }

    /// Images in the dataset: those of `data`, or what the newest checkpoint says.
    private func sampleCount(_ data: String?, _ checkpoints: [Facts]) throws -> Int? {
        let newest = checkpoints.last?.attributes
        guard let data else { return newest?["sample_count"]?.integer.flatMap { $0 > 0 ? $0 : nil } }
        let source = try run.configuration.source(at: data)
        let fingerprint = try source.datasetFingerprint()
        if let stored = newest?["dataset_fingerprint"]?.string, stored != fingerprint {
            throw TrainingError.otherDataset(run: run.path, stored: stored, given: fingerprint)
        }
        return source.count
    }

    // MARK: Journal

    private mutating func check(_ records: [JournalRecord]) {
        guard let first = records.first else { return }
        guard let samples = report.samples else {
            report.unknown.append("what the plan of each step was: no checkpoint says how many images the dataset has; give it with --data")
            return
        }
        let plan = TrainingPlan(configuration: run.configuration, sampleCount: samples)
        report.slots = run.configuration.training.slots
        if first.step > 0 {
            report.unknown.append("what came before step \(first.step): the journal begins there, as that of a run does that starts from a checkpoint")
            let before = first.step % plan.stepsPerEpoch
            if before > 0 {
                report.unknown.append(
                    "whether the first \(before) steps of epoch \(first.epoch) saw their samples once: the audit hash takes them for done")
            }
        }
        var audit = JournalAudit(plan)
        for (number, record) in records.enumerated() {
            if number % 64 == 0 { progress("checking steps", number, records.count) }
            if let (field, reason) = audit.problem(in: record) {
                report.add(.init(file: "journal.jsonl", line: number + 1, step: record.step, field: field, reason: reason))
                break
            }
            report.checkedLines += 1
        }
        (report.images, report.completeEpochs) = (audit.images, audit.completeEpochs)
    }

    private mutating func check(_ checkpoints: [Facts], against records: [JournalRecord]) {
        let (first, end) = (records.first?.step, records.last.map { $0.step + 1 })
        let store = run.store
        for checkpoint in checkpoints {
            func problem(_ field: String, _ reason: String) -> AuditReport.Problem {
                let name = "checkpoints/" + (store.path(of: checkpoint.step) as NSString).lastPathComponent
                return .init(file: name, step: checkpoint.step, field: field, reason: reason)
            }
            let began = checkpoint.attributes["first_step"]?.integer ?? 0
            if let first, began != first {
                report.add(.init(
                    file: "journal.jsonl", line: 1, step: first, field: "step",
                    reason: "is \(first), checkpoint \(checkpoint.step) says that the run began with step \(began)"))
                return
            }
            if checkpoint.step > end ?? began {
                report.add(problem("step", "is \(checkpoint.step), the journal ends after \(end ?? began) steps"))
            } else if let first, checkpoint.step > first {
                let journaled = records[checkpoint.step - 1 - first].weightsDigest
                if checkpoint.weightsDigest == journaled {
                    report.checkpoints.append(checkpoint.step)
                } else {
                    report.add(problem(
                        "weightsDigest", "is \(checkpoint.weightsDigest.prefix(16)), the journal says \(journaled.prefix(16))"))
                }
            } else {
                checkStart(checkpoint, problem)
            }
        }
    }

    /// The checkpoint that a run began with has no line: a new run's weights follow from the seed, others are taken as they are.
    private mutating func checkStart(_ checkpoint: Facts, _ problem: (String, String) -> AuditReport.Problem) {
        if let written = checkpoint.attributes["weights_digest"]?.string, written != checkpoint.weightsDigest {
            return report.add(problem("weightsDigest", "is \(checkpoint.weightsDigest.prefix(16)), it was written with \(written.prefix(16))"))
        }
        let isSameClass = checkpoint.attributes["numeric_class"]?.string == NumericEnvironment.numericClass
        guard checkpoint.step == 0, run.configuration.model.encoderStart == nil, isSameClass else {
            report.unknown.append("where the weights of checkpoint \(checkpoint.step), with which the run began, come from")
            return
        }
        let model = run.configuration.trainedModel
        let start = TrainingState(model: model, seed: UInt64(run.configuration.seed)).weightsDigest
        guard checkpoint.weightsDigest == start else {
            return report.add(problem("weightsDigest", "is \(checkpoint.weightsDigest.prefix(16)), the seed gives \(start.prefix(16))"))
        }
        report.checkpoints.append(checkpoint.step)
    }

    // MARK: Metrics and evaluations

    private mutating func check(_ evaluations: [String]?, from first: Int, to end: Int) {
        report.evaluationLines = evaluations?.count
        for (number, line) in (evaluations ?? []).enumerated() {
            guard let record = EvaluationRecord(json: line) else {
                report.warnings.append("evaluation.jsonl line \(number + 1): is no evaluation")
                continue
            }
            guard !(first...end).contains(record.step) else { continue }
            let reason = "is \(record.step), the journal has weights of steps \(first) to \(end)"
            return report.add(.init(file: "evaluation.jsonl", line: number + 1, step: record.step, field: "step", reason: reason))
        }
    }

    /// Metrics are for people, and not synced: a power cut may cost lines.
    private mutating func checkMetrics(_ records: [JournalRecord]) {
        guard let lines = try? run.lines(of: "metrics.jsonl") else {
            if !records.isEmpty { report.warnings.append("metrics.jsonl: is not there") }
            return
        }
        report.metricsLines = lines.count
        let counts = lines.compactMap { MetricsLog.step(ofLine: $0) }.reduce(into: [Int: Int]()) { $0[$1, default: 0] += 1 }
        if let record = records.first(where: { counts[$0.step] != 1 }) {
            report.warnings.append("metrics.jsonl: \(counts[record.step] ?? 0) lines of step \(record.step) instead of one")
        }
    }
}

extension JournalError {
    /// As part of a report.
    fileprivate var problem: AuditReport.Problem {
        func problem(_ line: Int, _ field: String, _ reason: String, step: Int? = nil) -> AuditReport.Problem {
            .init(file: "journal.jsonl", line: line, step: step, field: field, reason: reason)
        }
        switch self {
        case .unreadable(let line, let bytes): return problem(line, "the line", "(\(bytes) bytes) cannot be read")
        case .brokenChain(let line):
            let before = line == 1 ? "of the empty text" : "of line \(line - 1): one of the two was changed, or a line between them removed"
            return problem(line, "previous", "is not the digest \(before)")
        case .wrongStep(let line, let step, let expected): return problem(line, "step", "is not \(expected)", step: step)
        case .impossibleStep(let line, let step): return problem(line, "step", "is \(step), which no run has")
        }
    }
}

import Checkpoints
import Fleet
import Foundation
import TensorCore

/// Computes steps of a run again, alone in one process, from the newest checkpoint before them, and compares everything that comes out with the
/// journal. The run's folder is only read.
public struct RunReplay {
    /// Called with slots done, all slots, and the step that they belong to.
    public typealias Progress = (_ done: Int, _ all: Int, _ step: Int) -> Void

    /// A step that came out as the journal says.
    public struct Step: Encodable, Sendable {
        public let step: Int
        public let images: Int
        public let loss: Double?
        public let samplesDigest: String
        public let gradientDigest: String
        public let weightsDigest: String
    }

    /// The first thing that came out differently.
    public struct Difference: Encodable, Sendable {
        public let step: Int
        public let what: String
        public let journaled: String
        public let computed: String
    }

    /// What came of it.
    public struct Report: Encodable, Sendable {
        public let run: String
        /// The file that the steps were computed from.
        public internal(set) var checkpoint: String
        public internal(set) var checkpointStep: Int
        /// Files that could not be loaded.
        public internal(set) var skipped: [String]
        /// Those that are equal.
        public internal(set) var steps: [Step] = []
        public internal(set) var difference: Difference?

        /// The error of a command that found a difference.
        public var error: (any ExitCoded)? {
            difference.map { TrainingError.replayMismatch(run: run, step: $0.step, what: $0.what, journaled: $0.journaled, computed: $0.computed) }
        }
    }

    private let run: StoredRun
    private let records: [JournalRecord]
    private let task: any WorkerTask
    private let model: any TrainedModel
    private let vectors: TrainingVectors
    private let plan: TrainingPlan
    private let pool: ThreadPool
    private var report: Report
    private var state: TrainingState

    /// Computes the steps up to `last` again.
    ///
    /// - Parameters:
    ///   - data: the run's dataset.
    ///   - threads: threads that compute; they move no bit.
    /// - Returns: what came of it; it ends with the first difference.
    /// - Throws: one-line errors with their exit codes: a step that is not in the journal (64), another dataset or a bad image (65), no checkpoint
    ///   before the step (66), a damaged journal (67), another numeric class (78).
    public static func report(on path: String, step last: Int, data: String, threads: Int, progress: Progress = { _, _, _ in }) throws -> Report {
        var replay = try RunReplay(path, last: last, data: data, threads: threads)
        try replay.compute(last, progress)
        return replay.report
    }

    private init(_ path: String, last: Int, data: String, threads: Int) throws {
        run = try StoredRun(path)
        let records: [JournalRecord]
        do {
            records = try run.journal().records
        } catch let error as JournalError {
            throw FleetExit(exitCode: error.exitCode, text: "\(path): \(error)")
        }
        self.records = records
        let journaled = records.first.map { $0.step..<$0.step + records.count }
        guard let journaled, journaled.contains(last) else { throw TrainingError.notJournaled(run: path, step: last, journaled: journaled) }
        let (loaded, skipped) = try RunReplay.newest(in: run.store, steps: journaled.lowerBound...last)
        let attributes = loaded.checkpoint.attributes
        // Said before anything is read: nothing else helps.
        if let stored = attributes["numeric_class"]?.string, stored != NumericEnvironment.numericClass {
            throw TrainingError.otherNumericClass(run: path, stored: stored, here: NumericEnvironment.numericClass)
        }
        let source = try run.configuration.source(at: data)
        let fingerprint = try source.datasetFingerprint()
        if let stored = attributes["dataset_fingerprint"]?.string, stored != fingerprint {
            throw TrainingError.otherDataset(run: path, stored: stored, given: fingerprint)
        }
        plan = TrainingPlan(configuration: run.configuration, sampleCount: source.count)
        task = try run.configuration.workerTask(plan: plan, store: SampleStore(source: source), threads: threads)
        model = run.configuration.trainedModel
        vectors = TrainingVectors(model)
        pool = ThreadPool(threads: threads)
        state = try TrainingState(loaded, model: model)
        report = Report(run: path, checkpoint: loaded.file, checkpointStep: state.step, skipped: skipped)
    }

    /// The newest checkpoint of some steps that loads; damaged ones are passed over.
    private static func newest(in store: CheckpointStore, steps: ClosedRange<Int>) throws -> (loaded: LoadedCheckpoint, skipped: [String]) {
        let there = try store.steps()
        var skipped: [String] = []
        for step in there.reversed() where steps.contains(step) {
            do {
                return (try store.load(step: step), skipped)
            } catch {
                skipped.append("\(error)")
            }
        }
        throw TrainingError.noEarlierCheckpoint(folder: store.directory, step: steps.upperBound, there: there)
    }

    private mutating func compute(_ last: Int, _ progress: Progress) throws {
        let first = state.step
        // The weights to begin with are those of the step before, if that is in the journal.
        if let before = record(of: first - 1), before.weightsDigest != state.weightsDigest {
            report.difference = Difference(
                step: before.step, what: "weight digest (in \((report.checkpoint as NSString).lastPathComponent))",
                journaled: before.weightsDigest, computed: state.weightsDigest)
            return
        }
        let update = StepUpdate(plan, model: model, vectors: vectors, pool: pool)
        let slots = run.configuration.training.slots
        for step in first...last {
            guard let journaled = record(of: step) else { preconditionFailure("step \(step) is not in the journal") }
            let sum = try self.sum(step: step) { progress((step - first) * slots + $0, (last + 1 - first) * slots, step) }
            let outcome = try update(sum, step: step, state: &state)
            let samples = plan.stepPlan(step).samplesDigest
            report.difference = self.difference(from: journaled, outcome, samples: samples)
            guard report.difference == nil else { return }
            report.steps.append(
                Step(
                    step: step, images: outcome.images, loss: outcome.values["loss"], samplesDigest: samples,
                    gradientDigest: outcome.gradientDigest, weightsDigest: outcome.weightsDigest))
        }
    }

    private func record(of step: Int) -> JournalRecord? {
        guard let first = records.first?.step, step >= first, step - first < records.count else { return nil }
        return records[step - first]
    }

    /// The sum of all slots, added up in the tree of the coordinator.
    private func sum(step: Int, slotDone: (Int) -> Void) throws -> Tensor {
        let weights = Tensor(uninitialised: [task.weightsCount])
        vectors.pack(weights: state.optimizer.weights, statistics: state.statistics, into: weights)
        let slots = run.configuration.training.slots
        let computation = task.begin(step: step, block: .all(slots: slots))
        defer { computation.drop() }
        var tree = SlotTree<Tensor>(slots: slots)
        var root: Tensor?
        for slot in 0..<slots {
            slotDone(slot)
            guard try computation.next() else { preconditionFailure("slot \(slot) of step \(step) was dropped") }
            let result = Tensor(uninitialised: [task.resultCount])
            try computation.compute(weights: weights, into: result, pool: pool)
            root = tree.insert(result, at: SlotBlock(level: 0, index: slot)) { left, right in
                left.accumulateInPlace(right, pool: pool)
                return left
            }
        }
        guard let root else { preconditionFailure("step \(step) has no slots") }
        return root
    }

    /// In the order of cause and effect.
    private func difference(from journaled: JournalRecord, _ computed: StepUpdate.Outcome, samples: String) -> Difference? {
        var pairs = [("sample ids", journaled.samplesDigest, samples), ("gradient digest", journaled.gradientDigest, computed.gradientDigest)]
        for name in Set(journaled.values.keys).union(computed.values.keys).sorted() where journaled.values[name] != computed.values[name] {
            pairs.append((name, journaled.values[name].map { "\($0)" } ?? "none", computed.values[name].map { "\($0)" } ?? "none"))
        }
        pairs.append(("weight digest", journaled.weightsDigest, computed.weightsDigest))
        return pairs.first { $1 != $2 }.map { Difference(step: journaled.step, what: $0, journaled: $1, computed: $2) }
    }
}

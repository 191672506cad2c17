import Checkpoints
import Failpoints
import Foundation
import ImageData
import MergeVQ
import TensorCore

/// Evaluates a run's checkpoints on the validation images while training goes on, on a thread of its own: PSNR, SSIM, L1 and LPIPS at several
/// numbers of kept tokens, codebook usage, source recovery, and a picture each time. The averaged weights are evaluated, as in the paper.
///
/// What is to be done follows from the run folder alone: checkpoints of steps that are due and that `evaluation.jsonl` lacks. So nothing is
/// forgotten over a crash or a failure, and the lines do not depend on timing. Checkpoints stay until they are evaluated, and the best one stays
/// under the name `checkpoints/best`.
final class CheckpointEvaluator: Sendable {
    private let configuration: RunConfiguration
    private let plan: TrainingPlan
    private let folder: ImageFolder
    private let run: RunDirectory
    private let threads: Int
    private let keptTokens: [Int]
    private let samples: [Int]
    private let note: @Sendable (String) -> Void
    private let shared: Shared

    /// What the threads share.
    // Sendable: all of it is used under `condition` only.
    private final class Shared: @unchecked Sendable {
        let condition = NSCondition()
        let log: EvaluationLog
        /// Steps that could not be evaluated; not tried again by this process.
        var failed: Set<Int> = []
        var isFinishing = false
        var isStopped = false
        var hasEnded = true
        /// Whether nothing was left to do when the thread ended.
        var isComplete = false

        init(_ log: EvaluationLog) { self.log = log }
    }

    /// Thrown to end an evaluation that nobody waits for any more.
    private struct Stopped: Error {}

    /// - Parameters:
    ///   - folder: of the validation images.
    ///   - threads: threads that compute.
    ///   - note: takes lines for people.
    /// - Throws: `FileError` if `evaluation.jsonl` cannot be read.
    init(
        configuration: RunConfiguration, plan: TrainingPlan, folder: ImageFolder, run: RunDirectory, threads: Int,
        note: @escaping @Sendable (String) -> Void
    ) throws {
        self.configuration = configuration
        self.plan = plan
        self.folder = folder
        self.run = run
        self.threads = threads
        self.note = note
        keptTokens = configuration.evaluatedKeptTokens
        samples = TokenizerEvaluation.samples(configuration.evaluation.images == 0 ? nil : configuration.evaluation.images, of: folder)
        shared = Shared(
            try EvaluationLog(
                path: run.evaluations, keptTokens: keptTokens, images: samples.count, measure: configuration.evaluation.best))
    }

    /// Whether retention must keep the checkpoint of a step: it is to be evaluated, if not by this process, then by the next.
    func keeps(_ step: Int) -> Bool {
        shared.condition.withLock { plan.isEvaluated(step) && !shared.log.isEvaluated(step) }
    }

    /// Starts the thread.
    func start(_ store: CheckpointStore) {
        shared.condition.withLock { shared.hasEnded = false }
        let thread = Thread { [self] in work(store) }
        // Deep graphs are freed by recursion.
        thread.stackSize = 64 << 20
        thread.name = "evaluation"
        thread.start()
    }

    /// A checkpoint was published.
    func published() { shared.condition.withLock { shared.condition.broadcast() } }

    /// Waits until all that is due is evaluated, or the evaluator is told to stop; false if something is left to do then.
    @discardableResult
    func finish() -> Bool {
        shared.condition.withLock {
            shared.isFinishing = true
            shared.condition.broadcast()
            while !shared.hasEnded { shared.condition.wait() }
            return shared.isComplete
        }
    }

    /// Lets the thread end, in the midst of an evaluation if need be; the next start of the run makes up for it.
    func requestStop() {
        shared.condition.withLock {
            shared.isStopped = true
            shared.condition.broadcast()
        }
    }

    /// Ends the thread as soon as possible, and waits for that.
    func stop() {
        requestStop()
        finish()
    }

    private func isPending(_ step: Int) -> Bool {
        plan.isEvaluated(step) && !shared.failed.contains(step) && !shared.log.isEvaluated(step)
    }

    private func work(_ store: CheckpointStore) {
        shared.condition.withLock { linkBest(store) }
        while let step = next(store) {
            do {
                try evaluate(step, store)
            } catch is Stopped {
            } catch {
                note("step \(step) not evaluated: \(error)")
                _ = shared.condition.withLock { shared.failed.insert(step) }
            }
        }
        shared.condition.withLock {
            shared.isComplete = !((try? store.steps()) ?? []).contains(where: isPending)
            shared.hasEnded = true
            shared.condition.broadcast()
        }
    }

    /// The next step to evaluate; waits for one. Nil when the thread is to end.
    private func next(_ store: CheckpointStore) -> Int? {
        shared.condition.withLock {
            while !shared.isStopped {
                if let step = ((try? store.steps()) ?? []).first(where: isPending) { return step }
                if shared.isFinishing { return nil }
                shared.condition.wait()
            }
            return nil
        }
    }

    private func evaluate(_ step: Int, _ store: CheckpointStore) throws {
        let checkpoint = try TokenizerCheckpoint(path: store.path(of: step), weights: .ema)
        try requireGoing()
        let evaluation = try TokenizerEvaluation(
            checkpoint, keptTokens: keptTokens, perceptual: EvaluationNetwork.perceptual(configuration), threads: threads)
        var noted = ProcessInfo.processInfo.systemUptime
        let report = try evaluation.run(
            folder, samples: samples, examples: configuration.evaluation.pictures, requireGoing: requireGoing
        ) { done, all in
            let isFinishing = shared.condition.withLock { shared.isFinishing }
            // While training goes on, its own line shows that something happens.
            let now = ProcessInfo.processInfo.systemUptime
            guard isFinishing, done < all, now - noted > 5 else { return }
            noted = now
            note("evaluating step \(step): \(done) of \(all) images")
        }
        try run.verifyGeneration()
        Failpoints.reach(.evaluationPicture)
        let picture = run.picture(ofStep: step)
        if let grid = report.picture {
            try FileSystem.createFolder(run.pictures)
            try ImageFile.write(grid, to: picture)
        }
        let waiting = try shared.condition.withLock {
            // In one go for retention, which keeps a checkpoint because it is pending or because it is the best.
            try shared.log.add(report.records)
            linkBest(store)
            return ((try? store.steps()) ?? []).count(where: isPending)
        }
        let shown = report.records.first { $0.keptTokens == configuration.merging.keptTokens } ?? report.records[0]
        note(
            "step \(step) evaluated (\(shown.title)): \(shown.text)"
                + (report.examples.isEmpty ? "" : "; \(picture)") + (store.best == step ? "; the best so far" : "")
                + (waiting > 1 ? "; \(waiting) more checkpoints wait for their evaluation" : ""))
    }

    /// Lets `checkpoints/best` name the best of the checkpoints that are there. The lock is held.
    private func linkBest(_ store: CheckpointStore) {
        do {
            guard let best = shared.log.best(of: try store.steps()), best != store.best else { return }
            Failpoints.reach(.evaluationBest)
            try store.link("best", to: best)
        } catch {
            note("checkpoints/best does not name the best evaluation: \(error)")
        }
    }

    /// - Throws: `Stopped`
    private func requireGoing() throws {
        try shared.condition.withLock { if shared.isStopped { throw Stopped() } }
    }
}

extension TrainingPlan {
    /// Whether the weights after so many steps are evaluated: the first and the last ones, and those at the configured distance.
    func isEvaluated(_ steps: Int) -> Bool {
        guard configuration.task == .tokenizer else { return false }
        let evaluation = configuration.evaluation
        let distances = [evaluation.everySteps, evaluation.everyEpochs * stepsPerEpoch].filter { $0 > 0 }
        return distances.contains { steps % $0 == 0 } || (!distances.isEmpty && steps == configuration.training.steps)
    }
}

extension RunConfiguration {
    /// The numbers of kept tokens at which the tokenizer is evaluated: the configured ones, or all that training draws.
    public var evaluatedKeptTokens: [Int] {
        evaluation.keptTokens.isEmpty ? tokenizer.keptTokens.candidates : evaluation.keptTokens
    }
}

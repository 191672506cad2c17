import Checkpoints
import Fleet
import MergeVQ
import NeuralNet
import TensorCore

/// Where a run begins: a new state, or one from a checkpoint, after checking that configuration and data are those of the run.
struct RunStart {
    let state: TrainingState
    let runID: RunID
    /// The step that the run began with: not 0 if that was a given checkpoint.
    let firstStep: Int
    /// What a person should know about it.
    let notes: [String]

    /// - Throws: `TrainingError`, `CheckpointError`, `FileError`: another configuration or dataset, no valid checkpoint among damaged ones.
    init(
        _ options: CoordinatorOptions, directory: RunDirectory, store: CheckpointStore, journal: RunJournal, configuration: RunConfiguration,
        model: any TrainedModel, fingerprint: String
    ) throws {
        try RunStart.check(configuration, against: directory)
        var notes: [String] = []
        var loaded: LoadedCheckpoint?
        var resume = options.resume
        // The command that began a run with another's checkpoint goes on with the run's own.
        if case .file(let path) = resume, !store.holds(path), try journal.end != nil || !store.steps().isEmpty {
            resume = .auto
            notes.append("the run has begun already: \(path) is not read again")
        }
        switch resume {
        case .file(let path):
            loaded = try CheckpointStore.load(path: path)
        case .never:
            if try journal.end != nil || !store.steps().isEmpty { throw TrainingError.runExists(directory.path) }
        case .auto:
            let newest = try store.newestValid()
            notes += newest.skipped.map { "damaged checkpoint skipped: \($0.error)" }
            loaded = newest.loaded
        }
        guard let loaded else {
            if let first = journal.start, first > 0 {
                throw TrainingError.journalTooLate(run: directory.path, first: first, checkpoint: 0)
            }
            state = try TrainingState(model: model, configuration: configuration)
            runID = RunStart.newRunID()
            firstStep = 0
            self.notes = notes + ["new run in \(directory.path)"]
            return
        }
        if let warning = loaded.manifest.warning(for: loaded.file) { notes.append(warning) }
        let attributes = loaded.checkpoint.attributes
        // What was done in other circumstances: the file of another run's checkpoint, or this run so far.
        let before = store.holds(loaded.file) ? directory.path : loaded.file
        if let stored = attributes["dataset_fingerprint"]?.string, stored != fingerprint {
            throw TrainingError.otherDataset(run: before, stored: stored, given: fingerprint)
        }
        var changes: [String] = []
        if let yaml = attributes["config"]?.string {
            if case .file = resume {
                changes = try RunStart.changes(of: configuration, since: yaml, named: loaded.file)
            } else {
                try RunStart.check(configuration, against: yaml, named: loaded.file, run: directory.path)
            }
        }
        state = try TrainingState(loaded, model: model)
        if let stored = attributes["numeric_class"]?.string, stored != NumericEnvironment.numericClass {
            throw TrainingError.otherNumericClass(run: before, stored: stored, here: NumericEnvironment.numericClass)
        }
        // A run that starts from a given file begins its journal there; later checkpoints always have their steps journaled.
        firstStep = resume == .auto ? attributes["first_step"]?.integer ?? 0 : journal.start ?? state.step
        let committed = journal.end ?? firstStep
        if committed < state.step {
            throw TrainingError.journalTooShort(run: directory.path, committed: committed, checkpoint: state.step)
        }
        if let first = journal.start, first > state.step {
            throw TrainingError.journalTooLate(run: directory.path, first: first, checkpoint: state.step)
        }
        // With other settings it is another run.
        runID = (changes.isEmpty ? attributes["run_id"]?.string.flatMap { RunID($0) } : nil) ?? RunStart.newRunID()
        notes += changes.map { "not as in the checkpoint: \($0)" }
        let replayed = max(0, (journal.end ?? 0) - state.step)
        self.notes =
            notes + [
                "resuming from step \(state.step) (\(loaded.file))"
                    + (replayed > 0 ? "; \(replayed) journaled steps are computed again and must come out the same" : "")
            ]
    }

    /// A name for a run, the one thing in it that is not a function of its configuration.
    private static func newRunID() -> RunID { RunID(high: .random(in: 0...UInt64.max), low: .random(in: 0...UInt64.max)) }

    /// Fields that may change between the parts of a run: they move no bit of the steps already done.
    static func mayChange(_ key: String, _ configuration: RunConfiguration) -> Bool {
        (key == "training.steps" && !configuration.optimizer.schedule.endsWithSteps) || key == "training.recompute"
            || key.hasPrefix("checkpoints.") || key.hasPrefix("evaluation.")
    }

    /// Refuses a configuration other than the run's own.
    static func check(_ configuration: RunConfiguration, against directory: RunDirectory) throws {
        guard let stored = try directory.storedConfig() else { return }
        try check(configuration, against: stored, named: directory.config, run: directory.path)
    }

    /// What a run that starts from a given checkpoint does otherwise than the checkpoint's run, e.g. with a lower learning rate because that one
    /// diverged. Anything but the model may change; whether the checkpoint has all weights that the losses need `TrainingState` finds out.
    private static func changes(of configuration: RunConfiguration, since yaml: String, named file: String) throws -> [String] {
        let stored = try RunConfiguration(yaml: yaml, file: file)
        let pairs = zip(configuration.entries, stored.entries).filter { $0.value != $1.value && !mayChange($0.key, configuration) }
        return try pairs.map { mine, theirs in
            guard !["task", "model.", "discriminator.", "generator.", "recovery."].contains(where: mine.key.hasPrefix) else {
                throw TrainingError.otherConfiguration(run: file, key: mine.key, stored: theirs.value, given: mine.value)
            }
            return "\(mine.key) \(mine.value), was \(theirs.value)"
        }
    }

    private static func check(_ configuration: RunConfiguration, against yaml: String, named file: String, run: String) throws {
        let stored = try RunConfiguration(yaml: yaml, file: file)
        for (mine, theirs) in zip(configuration.entries, stored.entries) where mine.value != theirs.value && !mayChange(mine.key, configuration) {
            throw TrainingError.otherConfiguration(run: run, key: mine.key, stored: theirs.value, given: mine.value)
        }
    }
}

import Checkpoints
import Checksums
import Failpoints
import Fleet

/// The journal of a run on disk: appends a line for every committed step, and holds a resumed run to the lines that are already there.
final class RunJournal {
    private let directory: RunDirectory
    private let file: AppendOnlyFile
    private var journal: Journal

    /// Opens `journal.jsonl`; a line torn by a crash is cut off.
    ///
    /// - Throws: `FleetExit` with exit code 67 for damage before the last line.
    init(run: RunDirectory) throws {
        directory = run
        file = try AppendOnlyFile(path: run.journal)
        journal = try RunJournal.read(file)
        if journal.tornTail != nil {
            let intact = journal.records.count
            var line = 0
            _ = try file.truncate { _ in
                line += 1
                return line <= intact
            }
            journal = try RunJournal.read(file)
        }
    }

    private static func read(_ file: AppendOnlyFile) throws -> Journal {
        let text = try file.lines().map { $0 + "\n" }.joined()
        do {
            return try Journal(reading: text) { SHA256.digest(of: $0) }
        } catch {
            throw FleetExit(exitCode: error.exitCode, text: "\(file.path): \(error)")
        }
    }

    /// The step after the last committed one; nil for an empty journal.
    var end: Int? { journal.records.last.map { $0.step + 1 } }

    /// The first journaled step; nil for an empty journal.
    var start: Int? { journal.records.first?.step }

    /// The journaled line of a step.
    func record(of step: Int) -> JournalRecord? {
        guard let first = journal.records.first?.step, step >= first, step - first < journal.records.count else { return nil }
        return journal.records[step - first]
    }

    /// The audit after the step before `step`; nil if the journal has no line of that step.
    ///
    /// - Throws: `FleetExit` with exit code 67 if the line has no audit hash.
    func audit(before step: Int) throws -> TrainingPlan.Audit? {
        guard let record = record(of: step - 1) else { return nil }
        guard let audit = TrainingPlan.Audit(text: record.auditHash, epoch: record.epoch) else {
            throw FleetExit(
                exitCode: ExitCode.replayMismatch,
                text: "\(file.path): step \(record.step) has no audit hash but '\(record.auditHash)'; restore journal.jsonl from a copy")
        }
        return audit
    }

    /// Commits a step: durably appends its line, or, for a step that is journaled already, checks that it came out the same.
    ///
    /// - Throws: `TrainingError.replayMismatch` naming the step and what differs; `RunDirectoryError.superseded` if another coordinator has
    ///   taken the run over; `FileError` if the disk fails.
    func commit(_ record: JournalRecord) throws {
        // A coordinator that slept through another's taking over must not write into the same file.
        try directory.verifyGeneration()
        if let before = self.record(of: record.step) {
            let pairs = [
                ("sample ids", before.samplesDigest, record.samplesDigest), ("gradient digest", before.gradientDigest, record.gradientDigest),
                ("weight digest", before.weightsDigest, record.weightsDigest), ("audit hash", before.auditHash, record.auditHash),
            ]
            for (what, journaled, computed) in pairs where journaled != computed {
                throw TrainingError.replayMismatch(run: directory.path, step: record.step, what: what, journaled: journaled, computed: computed)
            }
            return
        }
        Failpoints.reach(.journalBefore)
        let line = journal.append(record)
        let torn: (() -> Void)? = Failpoints.isPlanned(.journalTorn) ? { _ = Failpoints.reach(.journalTorn) } : nil
        try file.append(String(line.dropLast()), halfway: torn)
        Failpoints.reach(.journalAfter)
    }
}

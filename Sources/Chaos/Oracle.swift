import Fleet
import Training

/// What every row is judged by: the disturbed run against the undisturbed one, digest by digest.
enum Oracle {
    /// Journal lines are equal but for who computed what; the folder holds all that `mvq audit` checks, which includes the weights of every
    /// checkpoint against the journal's digests.
    ///
    /// - Parameter reference: may be longer than the run.
    /// - Throws: `ChaosFailure` naming the first difference.
    static func requireEqual(_ run: RunFolder, to reference: RunFolder) throws {
        let (mine, theirs) = (try results(of: run), try results(of: reference))
        guard mine.count == run.steps, theirs.count >= mine.count else {
            throw ChaosFailure("\(run.path) has \(mine.count) of \(run.steps) steps, the undisturbed run \(theirs.count)")
        }
        for (mine, theirs) in zip(mine, theirs) where mine != theirs { throw ChaosFailure("step \(mine.step): \(difference(mine, theirs))") }
        let report = try RunAudit.report(on: run.path, data: run.data)
        if let problem = report.problems.first { throw ChaosFailure("mvq audit: \(problem)") }
        // No checkpoint at all would leave the weights on disk unchecked.
        guard report.checkpoints.contains(run.steps) else { throw ChaosFailure("\(run.path) has no checkpoint of its last step") }
    }

    /// The journal without what may differ between equal runs.
    private static func results(of run: RunFolder) throws -> [JournalRecord] {
        try run.journal().map { record in
            var record = record
            (record.blocks, record.previous) = ([], "")
            return record
        }
    }

    private static func difference(_ mine: JournalRecord, _ theirs: JournalRecord) -> String {
        let pairs = [
            ("step", "\(mine.step)", "\(theirs.step)"), ("epoch", "\(mine.epoch)", "\(theirs.epoch)"),
            ("sample ids", mine.samplesDigest, theirs.samplesDigest), ("gradient digest", mine.gradientDigest, theirs.gradientDigest),
            ("weight digest", mine.weightsDigest, theirs.weightsDigest), ("audit hash", mine.auditHash, theirs.auditHash),
        ]
        let different = pairs.first { $1 != $2 }
        return different.map { "\($0) is \($1.prefix(16)), undisturbed \($2.prefix(16))" } ?? "values are \(mine.values), undisturbed \(theirs.values)"
    }
}

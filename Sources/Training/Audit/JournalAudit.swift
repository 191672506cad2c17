import Fleet

/// Rechecks the lines of a journal, one after the other, against the plan: what an honest run of this configuration must have written, except
/// for what only computing shows.
struct JournalAudit {
    /// A field of a line, and what is wrong with it.
    typealias Problem = (field: String, reason: String)

    /// Images that the lines counted.
    private(set) var images = 0
    /// Epochs that the lines hold from their first to their last step, with the audit hash of every sample once.
    private(set) var completeEpochs = 0
    private let plan: TrainingPlan
    private var first: Int?
    private var audit: TrainingPlan.Audit?

    init(_ plan: TrainingPlan) { self.plan = plan }

    /// What is wrong with the next line; nil if nothing is.
    mutating func problem(in record: JournalRecord) -> Problem? {
        // Further than any run goes, and not so far that its sample numbers overflow.
        guard (0..<1 << 40).contains(record.step) else { return ("step", "is \(record.step)") }
        let planned = plan.stepPlan(record.step)
        func differs(_ field: String, _ found: String, _ planned: String) -> Problem { (field, "is \(found), config.yaml gives \(planned)") }
        if record.epoch != planned.epoch { return differs("epoch", "\(record.epoch)", "\(planned.epoch)") }
        for (name, value) in plan.values(step: record.step).sorted(by: { $0.key < $1.key }) where record.values[name] != value {
            return differs("values.\(name)", record.values[name].map { "\($0)" } ?? "absent", "\(value)")
        }
        if record.samplesDigest != planned.samplesDigest {
            return differs("samplesDigest", "\(record.samplesDigest.prefix(16))", "\(planned.samplesDigest.prefix(16))")
        }
        let blocks = record.blocks.map(\.block)
        if let problem = blocks.coverageProblem(slots: planned.slots) { return ("blocks", problem) }
        let first = self.first ?? record.step
        let audit = plan.audit(after: record.step, blocks: blocks, previous: self.audit)
        if record.auditHash != audit.text { return ("auditHash", "is \(record.auditHash), the blocks so far give \(audit.text)") }
        if plan.endsEpoch(record.step) {
            let complete = plan.completeAudit(ofEpoch: record.epoch)
            if audit != complete { return ("auditHash", "is \(audit.text) at the epoch's end, every sample once gives \(complete.text)") }
            if first <= record.epoch * plan.stepsPerEpoch { completeEpochs += 1 }
        }
        self.first = first
        self.audit = audit
        images += plan.imageCount(step: record.step)
        return nil
    }
}

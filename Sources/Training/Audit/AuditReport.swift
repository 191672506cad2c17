/// What an audit of a run's folder found.
public struct AuditReport: Encodable, Sendable {
    /// Something that no honest run leaves behind.
    public struct Problem: Encodable, Sendable, CustomStringConvertible {
        /// Of the run's folder.
        public let file: String
        /// Its line, from 1.
        public var line: Int?
        public var step: Int?
        /// What of the line or the file.
        public let field: String
        public let reason: String

        /// `journal.jsonl line 17 (step 16): auditHash is …`
        public var description: String {
            file + (line.map { " line \($0)" } ?? "") + (step.map { " (step \($0))" } ?? "") + ": \(field) \(reason)"
        }
    }

    /// The run's folder.
    public let run: String
    /// Whether there is no problem.
    public internal(set) var holds = true
    /// In the journal only the first: what follows from a wrong line is wrong as well.
    public internal(set) var problems: [Problem] = []
    /// What costs nothing but should not be, e.g. missing metrics.
    public internal(set) var warnings: [String] = []
    /// What this folder cannot tell.
    public internal(set) var unknown: [String] = []
    /// Images in the dataset; nil if nothing says so.
    public internal(set) var samples: Int?
    /// Intact lines of the journal, and the first of their steps; of these, those that were found right.
    public internal(set) var journalLines = 0
    public internal(set) var firstStep: Int?
    public internal(set) var checkedLines = 0
    public internal(set) var slots = 0
    /// Images that the lines found right have counted.
    public internal(set) var images = 0
    /// Epochs whose audit hash is that of every sample once, and that the journal holds from their first step on.
    public internal(set) var completeEpochs = 0
    /// Steps of intact checkpoints with the weights that the journal names.
    public internal(set) var checkpoints: [Int] = []
    /// Lines; nil without the file.
    public internal(set) var metricsLines: Int?
    public internal(set) var evaluationLines: Int?

    init(run: String) { self.run = run }

    mutating func add(_ problem: Problem) {
        problems.append(problem)
        holds = false
    }

    /// For people.
    public var text: String {
        var lines = ["\(run): \(holds ? "holds" : "does not hold")"]
        func add(_ name: String, _ text: String) { lines.append("  " + (name + "                ").prefix(14) + text) }
        func count(_ number: Int, _ what: String) -> String { "\(number) \(what)\(number == 1 ? "" : "s")" }
        if let firstStep {
            add("journal", "\(count(journalLines, "line")), steps \(firstStep) to \(firstStep + journalLines - 1), the chain of digests is whole")
            if checkedLines > 0 {
                add("plan", "\(count(checkedLines, "line")): epoch, kept tokens, learning rate and samples are those of config.yaml")
                add("exactly once", "\(count(checkedLines, "line")): slots 0 to \(slots - 1) once each; \(images) images of \(samples ?? 0)")
                add("epochs", "\(count(completeEpochs, "whole epoch")), audit hash equal to that of every sample once")
            }
        }
        if !checkpoints.isEmpty {
            add("checkpoints", "intact, with the weights that the journal names: \(checkpoints.map(String.init).joined(separator: ", "))")
        }
        add("metrics", metricsLines.map { count($0, "line") } ?? "none")
        add("evaluations", evaluationLines.map { count($0, "line") } ?? "none")
        lines += warnings.map { "warning: \($0)" } + unknown.map { "unknown: \($0)" } + problems.map { "problem: \($0)" }
        return lines.joined(separator: "\n")
    }
}

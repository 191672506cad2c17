import Foundation

/// What came of some rows.
public struct ChaosReport: Encodable, Sendable {
    public let seed: UInt64
    /// Whether the short form was run.
    public let short: Bool
    public let rows: [RowResult]

    public init(_ rows: [RowResult], seed: UInt64, form: Drill.Form) {
        self.rows = rows
        self.seed = seed
        short = form.isShort
    }

    public var failed: [RowResult] { rows.filter { $0.outcome == .failed } }

    /// `27 passed, 0 failed, 2 skipped (20, 21: this build has no keys), seed 1`
    public var summary: String {
        let skipped = rows.filter { $0.outcome == .skipped }
        let byReason = Dictionary(grouping: skipped) { $0.reason ?? "" }.sorted { $0.value[0].row < $1.value[0].row }
        let reasons = byReason.map { reason, rows in "\(rows.map { "\($0.row)" }.joined(separator: ", ")): \(reason)" }.joined(separator: "; ")
        return "\(rows.count - failed.count - skipped.count) passed, \(failed.count) failed, \(skipped.count) skipped"
            + (skipped.isEmpty ? "" : " (\(reasons))") + ", seed \(seed)"
    }

    /// The command that runs a row again.
    public func command(for row: RowResult) -> String { "mvq chaos --row \(row.row) --seed \(row.seed)\(short ? " --short" : "")" }

    /// A table for documents.
    public var markdown: String {
        var lines = ["| # | fault | outcome | cases | s |", "|---|---|---|---|---|"]
        for row in rows {
            let definition = Catalogue.row(row.row)
            let cases = row.cases.joined(separator: " · ")
            let remarks = row.notes + row.omitted.map { "not run: \($0)" } + (row.outcome == .passed ? [] : [row.reason ?? ""])
            let outcome = row.outcome == .passed ? "passed" : "**\(row.outcome.rawValue)**"
            let text = ([cases] + remarks).filter { !$0.isEmpty }.joined(separator: "; ").replacingOccurrences(of: "\n", with: " ")
            lines.append("| \(row.row) | \(definition?.fault ?? row.fault): \(definition?.injection ?? "") | \(outcome) | \(text.replacingOccurrences(of: "|", with: "/")) | \(row.seconds) |")
        }
        return (lines + ["", "\(summary)."]).joined(separator: "\n")
    }
}

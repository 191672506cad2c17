import Foundation

/// A row of the fault catalogue: what goes wrong, how it is made to, and what must come of it.
public struct FaultRow: Sendable {
    /// As in the catalogue, from 0.
    public let number: Int
    public let fault: String
    /// How it is injected.
    public let injection: String
    /// What must come of it, besides what every row is judged by: journal digests and weights equal to the undisturbed run's, and a clean audit.
    public let expected: String
    /// Why it cannot be run; nil if it can.
    let obstacle: @Sendable (Drill.Form) -> String?
    let body: @Sendable (Drill) throws -> Void

    init(
        _ number: Int, _ fault: String, injection: String, expected: String, obstacle: @escaping @Sendable (Drill.Form) -> String? = { _ in nil },
        body: @escaping @Sendable (Drill) throws -> Void
    ) {
        self.number = number
        self.fault = fault
        self.injection = injection
        self.expected = expected
        self.obstacle = obstacle
        self.body = body
    }

    /// Why this machine, or this form, does not run the row; nil if it does.
    public func reasonToSkip(_ form: Drill.Form) -> String? { obstacle(form) }

    /// Runs the row.
    ///
    /// - Parameters:
    ///   - seed: decides about steps, places and sizes of the faults.
    ///   - keeps: leaves the folders of its runs in the site's folder.
    ///   - progress: called with the name of each case.
    public func run(
        at site: DrillSite, seed: UInt64, form: Drill.Form, keeps: Bool = false, progress: @escaping (String) -> Void = { _ in }
    ) -> RowResult {
        var result = RowResult(row: number, fault: fault, seed: seed)
        if let reason = obstacle(form) {
            result.outcome = .skipped
            result.reason = reason
            return result
        }
        let start = ProcessInfo.processInfo.systemUptime
        let drill = Drill(site, row: number, seed: seed, form: form, keeps: keeps, progress: progress)
        do {
            try body(drill)
            if drill.passed.isEmpty {
                result.outcome = .skipped
                result.reason = drill.omitted.joined(separator: "; ")
            }
        } catch {
            result.outcome = .failed
            result.reason = "\(error)"
        }
        result.cases = drill.passed
        result.omitted = drill.omitted
        result.notes = drill.notes
        result.seconds = ((ProcessInfo.processInfo.systemUptime - start) * 10).rounded() / 10
        return result
    }
}

/// What came of a row.
public struct RowResult: Encodable, Sendable {
    public enum Outcome: String, Encodable, Sendable { case passed, failed, skipped }

    public let row: Int
    public let fault: String
    public let seed: UInt64
    public internal(set) var outcome = Outcome.passed
    /// Why it failed or was skipped.
    public internal(set) var reason: String?
    /// Cases that passed.
    public internal(set) var cases: [String] = []
    /// Cases that this machine cannot run, with reasons.
    public internal(set) var omitted: [String] = []
    /// What was counted.
    public internal(set) var notes: [String] = []
    public internal(set) var seconds = 0.0

    init(row: Int, fault: String, seed: UInt64) {
        self.row = row
        self.fault = fault
        self.seed = seed
    }
}

import Simulation

/// What `mvq simulate` prints.
struct SimulateReport: Encodable {
    struct Finding: Encodable {
        let seed: UInt64
        let invariant: String
        let virtualSeconds: Double
        let text: String
        let replay: String
    }

    let seeds: Int
    let violations: [Finding]
    let events: Int
    let committedSteps: Int
    let replayedSteps: Int
    let coordinators: Int
    let workers: Int
    let faults: [String: Int]
    let virtualHours: Double
    let seconds: Double

    /// - Parameter replay: the command that shows a seed again.
    init(_ totals: SimulationTotals, seconds: Double, replay: (UInt64) -> String) {
        seeds = totals.seeds
        violations = totals.violations.map {
            Finding(
                seed: $0.seed, invariant: $0.invariant.rawValue, virtualSeconds: $0.seconds, text: $0.text, replay: replay($0.seed))
        }
        events = totals.events
        committedSteps = totals.committedSteps
        replayedSteps = totals.replayedSteps
        coordinators = totals.generations
        workers = totals.processes
        faults = Dictionary(uniqueKeysWithValues: totals.faults.map { ($0.key.rawValue, $0.value) })
        virtualHours = totals.virtualSeconds / 3600
        self.seconds = seconds
    }

    var text: String {
        var lines = violations.map { finding in
            "seed \(finding.seed): \(finding.invariant) violated after \(finding.virtualSeconds) virtual seconds: \(finding.text)\n  \(finding.replay)"
        }
        let byKind = faults.sorted { $0.key < $1.key }.map { "\($0.key) \(grouped($0.value))" }.joined(separator: ", ")
        lines.append(
            """
            \(grouped(seeds)) seeds, \(violations.isEmpty ? "all invariants hold" : "\(violations.count) violate an invariant"): \
            \(grouped(events)) events, \(grouped(committedSteps)) steps committed, \(grouped(replayedSteps)) replayed, \
            \(grouped(coordinators)) coordinators, \(grouped(workers)) workers, \(tenths(virtualHours)) virtual hours in \(tenths(seconds)) s; \
            faults: \(byKind.isEmpty ? "none" : byKind)
            """)
        return lines.joined(separator: "\n")
    }

    /// A number with one decimal.
    private func tenths(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }

    /// The first line of a trace.
    static func text(of scenario: Scenario) -> String {
        """
        seed \(scenario.seed): \(scenario.workers) workers, \(scenario.steps) steps of \(scenario.slots) slots, \(scenario.faults) faults, \
        slots take \(scenario.slotSeconds) s, messages \(scenario.latency) s, \(scenario.duplicates) of them twice
        """
    }
}

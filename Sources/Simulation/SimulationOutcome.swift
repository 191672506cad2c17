import Fleet

/// What came of a simulated fleet.
public struct SimulationOutcome: Sendable {
    public let scenario: Scenario
    /// Empty if all invariants held; one at most unless the simulator was told to go on.
    public let violations: [Violation]
    /// How the coordinator ended; nil if it had not.
    public let exit: FleetExit?
    /// Events that state machines took in.
    public let events: Int
    /// What went wrong, and how often.
    public let faults: [Fault: Int]
    /// Virtual time from start to end.
    public let virtualSeconds: Double
    /// Steps that were committed.
    public let committedSteps: Int
    /// When each step was first committed, in virtual seconds since the start.
    public let commitSeconds: [Double]
    /// Journaled steps that a restarted coordinator computed again; all came out the same, or there is a violation.
    public let replayedSteps: Int
    /// Coordinators that ran, one after the other.
    public let generations: Int
    /// Worker processes that were started.
    public let processes: Int
    /// The most partial sums that waited in the slot tree.
    public let peakPartialSums: Int
}

/// Sums over simulated fleets.
public struct SimulationTotals: Sendable, Equatable {
    public private(set) var seeds = 0
    public private(set) var events = 0
    public private(set) var committedSteps = 0
    public private(set) var replayedSteps = 0
    public private(set) var generations = 0
    public private(set) var processes = 0
    public private(set) var virtualSeconds = 0.0
    public private(set) var faults: [Fault: Int] = [:]
    public private(set) var violations: [Violation] = []

    public init() {}

    public mutating func add(_ outcome: SimulationOutcome) {
        seeds += 1
        events += outcome.events
        committedSteps += outcome.committedSteps
        replayedSteps += outcome.replayedSteps
        generations += outcome.generations
        processes += outcome.processes
        virtualSeconds += outcome.virtualSeconds
        faults.merge(outcome.faults) { $0 + $1 }
        violations += outcome.violations
    }
}

/// What has to hold in every simulated fleet, after every event.
public enum Invariant: String, Sendable, CaseIterable, Codable {
    /// A committed step consists of every slot exactly once: no slot is merged twice, none is missing, and the blocks named in the journal are those merged.
    case everySlotOnce = "I1"
    /// Every worker computes with the weights of the step, bit for bit: their SHA-256 is that of the undisturbed run.
    case sameWeights = "I2"
    /// Each journal line holds the digest of the line before, through crashes in the middle of a line and restarts.
    case journalChain = "I3"
    /// Only the newest coordinator writes to disk, and it uses only bytes sent to it: of its generation, its step, and the lease that the session holds.
    case generation = "I4"
    /// Leased blocks are disjoint, none holds a slot that is merged already, a session holds one at most, and none outlives its step.
    case leases = "I5"
    /// The reducer holds one gradient at most for every session with a lease, and S/2 partial sums at most; none after the step.
    case reducerMemory = "I6"
    /// At the end of an epoch the audit hash of the samples merged is that of all samples, each once.
    case sampleAudit = "I7"
    /// A worker computes with the plan that it derived itself, and that is the coordinator's.
    case samePlan = "I8"
    /// Gradient, weights, sample ids and audit hash of every committed step, and the weights at the end, are those of the undisturbed run.
    case reference
    /// The run completes: nobody ends with an error, and the fleet does not stand still.
    case completion
}

/// An invariant that did not hold.
public struct Violation: Sendable, Equatable, Codable, CustomStringConvertible {
    public let seed: UInt64
    public let invariant: Invariant
    /// Seconds of virtual time since the simulation's start.
    public let seconds: Double
    /// What was found, in words.
    public let text: String

    public var description: String { "seed \(seed): \(invariant.rawValue) violated after \(seconds) virtual seconds: \(text)" }
}

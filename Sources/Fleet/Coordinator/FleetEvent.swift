/// What happened in a fleet, for logs, metrics and tests; nothing acts on it.
public enum FleetEvent: Sendable, Equatable, CustomStringConvertible {
    case joined(SessionID, name: String, threads: Int)
    case refused(SessionID, text: String)
    /// A worker ended in an orderly way.
    case left(SessionID, name: String, reason: String)
    /// A worker vanished, failed or was dropped; the block it had goes to another.
    case lost(SessionID, name: String, reason: String, block: SlotBlock?)
    case stepStarted(step: Int, workers: Int)
    case leased(SessionID, step: Int, block: SlotBlock)
    /// The block of `slow` was given to `session` as well.
    case duplicated(step: Int, block: SlotBlock, slow: SessionID, session: SessionID)
    /// A block was taken from a slow worker, to be shared out among those that will be done with it earlier.
    case reclaimed(step: Int, block: SlotBlock, slow: SessionID)
    /// A session computes a finished block once more, so that the results can be compared.
    case checked(SessionID, step: Int, block: SlotBlock)
    /// A block's gradient is complete; `seconds` passed since it was leased.
    case blockFinished(SessionID, step: Int, block: SlotBlock, seconds: Double)
    /// Two workers computed the same block and got different results: one of the machines is faulty.
    case mismatch(step: Int, block: SlotBlock, first: SessionID, firstDigest: String, second: SessionID, secondDigest: String)
    /// A machine computed wrongly and is kept away for a while. `firstStep`: the first step that uses work of the process; nil for none.
    case quarantined(Quarantine)
    /// What was merged of the step is forgotten, because a machine that computes wrongly has a part in it.
    case stepRestarted(step: Int)
    /// The results of a block differ, and no worker is there that could tell which is right.
    case undecided(step: Int, block: SlotBlock)
    /// A machine loses its workers over and over, and gets work only as a backup of others.
    case flapping(host: String)
    /// Worker processes vanished one after the other over the same slot; the run stops.
    case poisonBlock(step: Int, block: SlotBlock, workers: Int)
    /// Something received was not used.
    case dropped(SessionID?, reason: String)
    /// About keys and peers that misbehave.
    case security(SecurityEvent)

    public var description: String {
        switch self {
        case .joined(let session, let name, let threads): "\(session.short) \(name) joined with \(threads) threads"
        case .refused(let session, let text): "\(session.short) refused: \(text)"
        case .left(let session, let name, let reason): "\(session.short) \(name) left: \(reason)"
        case .lost(let session, let name, let reason, let block):
            "\(session.short) \(name) lost: \(reason)" + (block.map { "; \($0) goes to another worker" } ?? "")
        case .stepStarted(let step, let workers): "step \(step) starts with \(workers) workers"
        case .leased(let session, let step, let block): "step \(step): \(block) to \(session.short)"
        case .duplicated(let step, let block, let slow, let session):
            "step \(step): \(block) is late at \(slow.short), now also at \(session.short)"
        case .reclaimed(let step, let block, let slow):
            "step \(step): \(block) is late at \(slow.short) and is shared out"
        case .checked(let session, let step, let block): "step \(step): \(block) once more to \(session.short)"
        case .blockFinished(let session, let step, let block, let seconds):
            "step \(step): \(block) from \(session.short) after \(seconds) s"
        case .mismatch(let step, let block, let first, let firstDigest, let second, let secondDigest):
            "step \(step): \(block) has digest \(firstDigest) from \(first.short) but \(secondDigest) from \(second.short);"
                + " one of the two machines computes wrongly: test its memory"
        case .quarantined(let quarantine): quarantine.description
        case .stepRestarted(let step): "step \(step) begins anew, without the work of the machine that computes wrongly"
        case .undecided(let step, let block):
            "step \(step): nobody can tell which result of \(block) is right; start another worker"
        case .flapping(let host): "\(host) loses its workers over and over; it gets work only as a backup of others for a while"
        case .poisonBlock(let step, let block, let workers):
            "step \(step): \(workers) workers vanished while computing \(block)"
        case .dropped(let session, let reason): "dropped from \(session?.short ?? "an unknown peer"): \(reason)"
        case .security(let event): "\(event)"
        }
    }
}

/// A machine whose results differ from those of others, or from its own.
public struct Quarantine: Sendable, Equatable, CustomStringConvertible {
    public let session: SessionID
    /// `host:process` of the worker.
    public let name: String
    public let step: Int
    public let block: SlotBlock
    /// What the worker announced, and what is right; nil when nobody knows.
    public let digest: String
    public let rightDigest: String?
    /// The first step that uses work of the process; nil for none.
    public let firstStep: Int?
    public let duration: Duration

    public var description: String {
        let compared = rightDigest.map { "\($0) at others" } ?? "something else the next time"
        let used = firstStep.map { ", its work is in steps from \($0) on" } ?? ", none of its work was used"
        return """
            \(session.short) \(name) computes wrongly: \(block) of step \(step) has digest \(digest) there and \(compared)\(used); \
            test its memory and processor. Its machine is kept away for \(duration.text)
            """
    }
}

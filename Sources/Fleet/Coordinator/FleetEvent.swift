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
    /// A block's gradient is complete; `seconds` passed since it was leased.
    case blockFinished(SessionID, step: Int, block: SlotBlock, seconds: Double)
    /// Two workers computed the same block and got different results: one of the machines is faulty.
    case mismatch(step: Int, block: SlotBlock, first: SessionID, firstDigest: String, second: SessionID, secondDigest: String)
    /// Different workers vanished while computing the same slots; the run stops.
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
        case .blockFinished(let session, let step, let block, let seconds):
            "step \(step): \(block) from \(session.short) after \(seconds) s"
        case .mismatch(let step, let block, let first, let firstDigest, let second, let secondDigest):
            "step \(step): \(block) has digest \(firstDigest) from \(first.short) but \(secondDigest) from \(second.short);"
                + " one of the two machines computes wrongly: test its memory"
        case .poisonBlock(let step, let block, let workers):
            "step \(step): \(workers) workers vanished while computing \(block)"
        case .dropped(let session, let reason): "dropped from \(session?.short ?? "an unknown peer"): \(reason)"
        case .security(let event): "\(event)"
        }
    }
}

/// What happened to a worker, for its log; nothing acts on it.
public enum WorkerEvent: Sendable, Equatable, CustomStringConvertible {
    case connecting(address: String, session: SessionID, attempt: Int)
    case joined(RunID, generation: UInt64)
    /// Without coordinator; the worker keeps trying.
    case orphaned(reason: String)
    case leased(step: Int, block: SlotBlock)
    case finishedBlock(step: Int, block: SlotBlock, digest: String)
    /// The block in work is no longer wanted.
    case cancelled(step: Int, block: SlotBlock)
    /// Something received was not used.
    case dropped(reason: String)

    public var description: String {
        switch self {
        case .connecting(let address, let session, let attempt): "connecting to \(address) as \(session.short), attempt \(attempt)"
        case .joined(let run, let generation): "joined run \(run.short), generation \(generation)"
        case .orphaned(let reason): "no coordinator: \(reason)"
        case .leased(let step, let block): "step \(step): \(block)"
        case .finishedBlock(let step, let block, let digest): "step \(step): \(block) computed, digest \(digest)"
        case .cancelled(let step, let block): "step \(step): \(block) is no longer wanted"
        case .dropped(let reason): "dropped: \(reason)"
        }
    }
}

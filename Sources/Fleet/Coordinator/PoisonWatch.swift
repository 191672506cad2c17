/// Recognises slots that kill their workers, among all the workers that vanish for other reasons.
///
/// A loss speaks against a slot only if the worker computed that slot alone, was heard of while it did, and had got it after the loss before
/// it: so the machines of a rack that die at once, or of a queue that is emptied, are not taken for it. A slot is poison when it has
/// lost `limit` processes like this, and more than all other slots together since the first of them.
struct PoisonWatch: Sendable {
    private struct Loss {
        let process: SessionID
        /// The slot that the loss speaks against; nil when it speaks against none.
        let slot: Int?
        let time: Instant
    }

    private var losses: [Loss] = []

    /// Slots that a loss speaks against.
    var suspects: Set<Int> { Set(losses.compactMap(\.slot)) }

    /// Notes that a worker process vanished.
    /// - Parameters:
    ///   - block: what it was computing; nil for nothing.
    ///   - since: when it had got the block.
    ///   - isConfirmed: it has said since then that it is at work.
    ///   - limit: how many processes it takes.
    /// - Returns: the number of processes that the slot has killed, if it is poison.
    mutating func note(_ block: SlotBlock?, of process: SessionID, since: Instant, isConfirmed: Bool, now: Instant, limit: Int) -> Int? {
        losses.removeAll { $0.process == process }
        var slot = block.flatMap { $0.level == 0 && isConfirmed ? $0.index : nil }
        if let before = losses.last(where: { $0.slot == slot }), since < before.time { slot = nil }
        losses.append(Loss(process: process, slot: slot, time: now))
        guard let slot, let first = losses.firstIndex(where: { $0.slot == slot }) else { return nil }
        let ours = losses.count { $0.slot == slot }
        let others = losses.count - first - ours
        return ours >= limit && ours > others ? ours : nil
    }

    /// A process that seemed to have vanished is back: it was the connection that broke, not the worker.
    mutating func forget(_ process: SessionID) { losses.removeAll { $0.process == process } }
}

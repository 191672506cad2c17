import Fleet

/// Who holds which block, and which slots are merged, as the coordinator's actions tell it: kept apart from the state machine's own table, so
/// that a mistake there shows here. Every method returns what is wrong with the action, nil if nothing is.
struct LeaseLedger {
    private enum Slot: UInt8 { case free, leased, merged }

    /// The block of every session that has one.
    private(set) var holders: [SessionID: SlotBlock] = [:]
    private var leases: [SlotBlock: Int] = [:]
    private var slots: [Slot]
    private(set) var mergedSlots = 0

    init(slots: Int) { self.slots = Array(repeating: .free, count: slots) }

    var isComplete: Bool { mergedSlots == slots.count }

    mutating func lease(_ block: SlotBlock, to session: SessionID) -> String? {
        guard block.slots.upperBound <= slots.count else { return "\(block) of \(slots.count) slots leased" }
        if let old = holders.updateValue(block, forKey: session) { return "\(session.short) gets \(block) while it holds \(old)" }
        if let others = leases[block] {
            leases[block] = others + 1
            return nil
        }
        if let taken = block.slots.first(where: { slots[$0] != .free }) {
            return "\(block) leased to \(session.short), but slot \(taken) is \(slots[taken])"
        }
        for slot in block.slots { slots[slot] = .leased }
        leases[block] = 1
        return nil
    }

    /// The session's lease ends: revoked, or the session is closed.
    mutating func end(_ session: SessionID) {
        guard let block = holders.removeValue(forKey: session), let count = leases[block] else { return }
        leases[block] = count > 1 ? count - 1 : nil
        guard count == 1 else { return }
        for slot in block.slots where slots[slot] == .leased { slots[slot] = .free }
    }

    mutating func merge(_ block: SlotBlock, from session: SessionID) -> String? {
        guard block.slots.upperBound <= slots.count else { return "\(block) of \(slots.count) slots merged" }
        if let merged = block.slots.first(where: { slots[$0] == .merged }) { return "\(block) merged, but slot \(merged) is merged already" }
        for slot in block.slots { slots[slot] = .merged }
        mergedSlots += block.count
        end(session)
        return nil
    }
}

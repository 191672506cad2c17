import Fleet

/// Who holds which block, and which slots are merged, as the coordinator's actions tell it: kept apart from the state machine's own table, so
/// that a mistake there shows here. Every method returns what is wrong with the action, nil if nothing is.
struct LeaseLedger {
    private enum Slot: UInt8 { case free, leased, merged }

    /// The blocks of every session that has some: one whose gradient is on its way, and one in work.
    private(set) var holders: [SessionID: [SlotBlock]] = [:]
    private var leases: [SlotBlock: Int] = [:]
    private var merged: Set<SlotBlock> = []
    private var slots: [Slot]
    private(set) var mergedSlots = 0

    init(slots: Int) { self.slots = Array(repeating: .free, count: slots) }

    var isComplete: Bool { mergedSlots == slots.count }

    func holds(_ session: SessionID, _ block: SlotBlock?) -> Bool { block.map { holders[session]?.contains($0) == true } ?? false }

    /// A merged block may be leased again, whole: its results are compared.
    mutating func lease(_ block: SlotBlock, to session: SessionID) -> String? {
        guard block.slots.upperBound <= slots.count else { return "\(block) of \(slots.count) slots leased" }
        let held = holders[session] ?? []
        if held.contains(block) { return "\(session.short) gets \(block) twice" }
        holders[session] = held + [block]
        if held.count > 1 { return "\(session.short) gets \(block) while it holds \(held)" }
        if merged.contains(block) { return nil }
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

    /// The session is closed.
    mutating func end(_ session: SessionID) {
        for block in holders[session] ?? [] { end(session, block) }
    }

    /// The session's lease of a block ends.
    mutating func end(_ session: SessionID, _ block: SlotBlock) {
        guard holds(session, block) else { return }
        holders[session]?.removeAll { $0 == block }
        if holders[session]?.isEmpty == true { holders[session] = nil }
        guard !merged.contains(block), let count = leases[block] else { return }
        leases[block] = count > 1 ? count - 1 : nil
        guard count == 1 else { return }
        for slot in block.slots where slots[slot] == .leased { slots[slot] = .free }
    }

    mutating func merge(_ block: SlotBlock, from session: SessionID) -> String? {
        guard block.slots.upperBound <= slots.count else { return "\(block) of \(slots.count) slots merged" }
        if let merged = block.slots.first(where: { slots[$0] == .merged }) { return "\(block) merged, but slot \(merged) is merged already" }
        for slot in block.slots { slots[slot] = .merged }
        mergedSlots += block.count
        merged.insert(block)
        leases[block] = nil
        end(session, block)
        return nil
    }
}

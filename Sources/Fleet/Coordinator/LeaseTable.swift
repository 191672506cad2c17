/// Who computes which slots of one step. The table keeps the books; who is to get how much is decided in CoordinatorState+Schedule.swift.
///
/// Invariant: every slot is in exactly one free, leased or finished block. A leased block may have several holders, a session several blocks.
public struct LeaseTable: Sendable {
    /// A block in the hands of one session.
    public struct Lease: Sendable, Equatable {
        public let session: SessionID
        public let block: SlotBlock
        public let since: Instant
    }

    /// A block whose result counts.
    public struct Finished: Sendable, Equatable {
        public let block: SlotBlock
        public let session: SessionID
        public let digest: String
    }

    /// What became of a result.
    public enum Outcome: Sendable, Equatable {
        /// It is the first of its block; the sessions named computed the same block, in vain.
        case first(others: [SessionID])
        /// The block was finished before, by the session named; equal tells whether the digests agree.
        case again(first: SessionID, equal: Bool)
        /// The block is not one that the session was given.
        case unknown
    }

    public let slots: Int
    /// Free blocks by first slot.
    private var free: [SlotBlock]
    /// Leases in the order in which they were given.
    public private(set) var leases: [Lease] = []
    /// Finished blocks in the order in which they finished.
    public private(set) var finished: [Finished] = []
    /// Blocks that were taken from a slow worker.
    private var reclaimed: [SlotBlock] = []
    private var finishedSlots = 0

    /// All slots free. `slots` is a power of two.
    public init(slots: Int) {
        self.slots = slots
        free = [.all(slots: slots)]
    }

    /// True when every slot is finished.
    public var isComplete: Bool { finishedSlots == slots }
    /// True when there is something to grant.
    public var hasFreeSlots: Bool { !free.isEmpty }
    /// True when there is something to grant to whoever must not get the avoided slots alone.
    public func hasFreeSlots(avoiding avoided: Set<Int>) -> Bool { free.contains { $0.level > 0 || !avoided.contains($0.index) } }
    /// Slots that nobody has been given.
    public var freeSlots: Int { free.reduce(0) { $0 + $1.count } }

    /// Gives a session a free block of `size` slots, rounded down to a power of two: cut from the smallest free block that is large enough, so
    /// that large ones stay whole; if none is, the largest. Among equals the one with the lowest slots. Nil when nothing is free.
    /// - Parameter avoided: slots that it must not get alone.
    public mutating func grant(to session: SessionID, size: Int, now: Instant, avoiding avoided: Set<Int> = []) -> SlotBlock? {
        func isAllowed(_ block: SlotBlock) -> Bool { block.level > 0 || !avoided.contains(block.index) }
        guard var place = free.firstIndex(where: isAllowed) else { return nil }
        let level = Int.bitWidth - 1 - max(1, size).leadingZeroBitCount
        func isBetter(_ new: SlotBlock, _ old: SlotBlock) -> Bool {
            old.level < level ? new.level > old.level : new.level >= level && new.level < old.level
        }
        for (position, block) in free.enumerated() where isAllowed(block) && isBetter(block, free[place]) { place = position }
        var block = free.remove(at: place)
        while block.level > level, let halves = block.children {
            free.insert(halves.right, at: place)
            block = halves.left
        }
        leases.append(Lease(session: session, block: block, since: now))
        return block
    }

    /// Gives a session a block that others hold already: whoever finishes it first has done it.
    public mutating func duplicate(_ block: SlotBlock, for session: SessionID, now: Instant) {
        precondition(leases.contains { $0.block == block && $0.session != session }, "\(block) is held by no other session")
        leases.append(Lease(session: session, block: block, since: now))
    }

    /// Notes a result.
    public mutating func finish(_ block: SlotBlock, by session: SessionID, digest: String) -> Outcome {
        if let before = finished.first(where: { $0.block == block }) {
            return .again(first: before.session, equal: before.digest == digest)
        }
        guard leases.contains(where: { $0.session == session && $0.block == block }) else { return .unknown }
        let others = leases.filter { $0.block == block && $0.session != session }.map(\.session)
        leases.removeAll { $0.block == block }
        finished.append(Finished(block: block, session: session, digest: digest))
        finishedSlots += block.count
        return .first(others: others)
    }

    /// Takes a block away from a session; it becomes free unless another session holds it as well.
    /// - Parameter pieces: into how many equal pieces it falls, at most: a block that may have killed its worker goes out in small parts.
    /// - Returns: false when the session does not hold the block.
    @discardableResult
    public mutating func release(_ block: SlotBlock, of session: SessionID, pieces: Int = 1) -> Bool {
        guard let position = leases.firstIndex(where: { $0.session == session && $0.block == block }) else { return false }
        leases.remove(at: position)
        guard !leases.contains(where: { $0.block == block }) else { return true }
        let place = free.firstIndex { $0.slots.lowerBound > block.slots.lowerBound } ?? free.count
        let level = max(0, block.level - (Int.bitWidth - 1 - max(1, pieces).leadingZeroBitCount))
        let first = block.index << (block.level - level)
        free.insert(contentsOf: (0..<1 << (block.level - level)).map { SlotBlock(level: level, index: first + $0) }, at: place)
        return true
    }

    /// Takes a block away from its slow holder, so that it can be shared out. Once a step for every slot: prediction may be wrong, and the slots
    /// must not wander from one worker to the next for ever.
    public mutating func reclaim(_ block: SlotBlock, from session: SessionID) {
        precondition(canReclaim(block), "\(block) cannot be shared out")
        reclaimed.append(block)
        release(block, of: session)
    }

    /// True for a block of several slots with one holder, of which no slot was taken from a slow worker before.
    public func canReclaim(_ block: SlotBlock) -> Bool {
        block.level > 0 && leases.count { $0.block == block } == 1 && !reclaimed.contains { $0.overlaps(block) }
    }
}

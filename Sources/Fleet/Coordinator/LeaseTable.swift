/// Who computes which slots of one step: guided self-scheduling over aligned blocks, with duplicates of overdue ones.
///
/// Invariant: every slot is in exactly one free, leased or finished block.
public struct LeaseTable: Sendable {
    /// A block in the hands of one session; a duplicated block has several leases.
    public struct Lease: Sendable, Equatable {
        public let session: SessionID
        public let block: SlotBlock
        public let since: Instant
        /// True when another session was given the same block later.
        public fileprivate(set) var isDuplicated = false
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
    private var losses: [(process: SessionID, block: SlotBlock)] = []
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
    /// Slots that nobody has been given.
    public var freeSlots: Int { free.reduce(0) { $0 + $1.count } }

    /// Gives the free block with the lowest slots to a session: the largest power of two of slots that is at most
    /// max(1, free slots / (2 · active workers)). Nil when nothing is free.
    public mutating func grant(to session: SessionID, activeWorkers: Int, now: Instant) -> SlotBlock? {
        guard !free.isEmpty else { return nil }
        let share = max(1, freeSlots / (2 * max(1, activeWorkers)))
        let level = Int.bitWidth - 1 - share.leadingZeroBitCount
        var block = free.removeFirst()
        while block.level > level, let halves = block.children {
            free.insert(halves.right, at: 0)
            block = halves.left
        }
        leases.append(Lease(session: session, block: block, since: now))
        return block
    }

    /// Gives a session a copy of the block that is predicted to finish last, if that one is overdue. A block with a duplicate
    /// gets another one only when the duplicate is overdue as well: so two workers that hang do not stop a step.
    /// - Parameters:
    ///   - floor: no block is overdue before.
    ///   - overdue: a holder without prediction is overdue after this, one with a prediction after 1.5 times that.
    ///   - predicted: how long a session should take for a block; nil when nothing is known yet.
    /// - Returns: the lease that was duplicated.
    public mutating func duplicate(
        for session: SessionID, now: Instant, floor: Duration, overdue: Duration, predicted: (SessionID, SlotBlock) -> Duration?
    ) -> Lease? {
        guard free.isEmpty else { return nil }
        var latest: (position: Int, end: Instant)?
        for (position, lease) in leases.enumerated() where !lease.isDuplicated && lease.session != session {
            let prediction = predicted(lease.session, lease.block)
            let end = lease.since + (prediction ?? overdue)
            let deadline = lease.since + max(floor, prediction.map { $0 * 1.5 } ?? overdue)
            guard now > deadline else { continue }
            if latest.map({ $0.end < end }) ?? true { latest = (position, end) }
        }
        guard let latest else { return nil }
        leases[latest.position].isDuplicated = true
        let lease = leases[latest.position]
        leases.append(Lease(session: session, block: lease.block, since: now))
        return lease
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

    /// Takes a session's lease away; the block becomes free unless a duplicate is still at work.
    /// - Returns: the block that the session had.
    @discardableResult
    public mutating func release(_ session: SessionID) -> SlotBlock? {
        guard let position = leases.firstIndex(where: { $0.session == session }) else { return nil }
        let block = leases.remove(at: position).block
        if let duplicate = leases.lastIndex(where: { $0.block == block }) {
            leases[duplicate].isDuplicated = false
        } else {
            let place = free.firstIndex { $0.slots.lowerBound > block.slots.lowerBound } ?? free.count
            free.insert(block, at: place)
        }
        return block
    }

    /// Notes that a worker process vanished while it computed a block.
    /// - Returns: how many different processes have vanished over the slots of this block in this step.
    public mutating func noteLoss(of block: SlotBlock, process: SessionID) -> Int {
        losses.removeAll { $0.process == process }
        losses.append((process, block))
        return losses.count { $0.block.overlaps(block) }
    }

    /// A process that seemed to have vanished is back: it was the connection that broke, not the worker.
    public mutating func forgetLoss(process: SessionID) {
        losses.removeAll { $0.process == process }
    }
}

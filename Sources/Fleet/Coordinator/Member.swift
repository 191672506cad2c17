/// A block in the hands of a worker, as the coordinator sees it.
struct Assignment {
    let block: SlotBlock
    /// Of the lease.
    let number: Int
    let since: Instant
    /// Only the digest is wanted, to compare it: the block is finished already.
    let isCheck: Bool
    /// Finished slots, and when the last of them was reported.
    var slotsDone = 0
    var lastSlot: Instant
    /// The worker has said that it is at work on it.
    var isConfirmed = false
    /// Known once the block is computed.
    var digest: String?
    var computed: Instant?
    /// The chunks of the gradient that are here.
    var incoming: ChunkSet?

    init(_ block: SlotBlock, number: Int, since: Instant, isCheck: Bool) {
        self.block = block
        self.number = number
        self.since = since
        self.isCheck = isCheck
        lastSlot = since
    }
}

/// A session that the coordinator has taken in.
struct Member {
    let id: SessionID
    let hello: Hello
    /// It has computed the run's canary.
    var hasCanary = false
    var isReady = false
    var isAttached = false
    var lastHeard: Instant
    var lastProgress: Instant
    /// The step that the worker was told the plan of.
    var planned: Int?
    /// The next chunk of the weights of the current step.
    var nextChunk = 0
    var hasWeights = false
    /// Payload bytes that may still be sent.
    var credit: Int
    /// Of gradients.
    var owed = OwedCredit()
    /// The block that it computes, or one that waits for the gradient before it to leave.
    var lease: Assignment?
    /// The block before, whose gradient is on its way.
    var upload: Assignment?
    /// A block that it has checked: bytes of it may still come, and are of no use.
    var checked: SlotBlock?
    /// Leases that it was given, as often as it was.
    var leases = 0
    /// When the last byte of a gradient came.
    var lineFree: Instant
    /// Blocks that it has been given in this step.
    var blocks = 0
    /// Its machine loses workers over and over.
    var isFlapping = false
    /// It was given up for making no progress, came back, and has not finished a block since: its computation may hang for good.
    var isStalled = false
    /// Nothing was heard of it for three heartbeats; looked at with each tick. It keeps what it has, and is given nothing more.
    var isSilent = false
    /// Its block was taken back before it had done a slot of it, and it may still be at that: nothing new until then, twice as long each time.
    var restEnd: Instant?
    var rest = Duration.zero
    /// `restEnd` is to come; looked at with each tick.
    var isResting = false
    /// It is so slow that the free slots are done earlier without it; looked at again with each tick.
    var declines = false

    init(id: SessionID, hello: Hello, credit: Int, now: Instant) {
        self.id = id
        self.hello = hello
        self.credit = credit
        lastHeard = now
        lastProgress = now
        lineFree = now
    }

    /// True when it could begin a block now.
    var isIdle: Bool { hasWeights && lease == nil && !isSilent && !isResting }
    /// True when nobody should have to wait for it: it gets work only as a backup of others, unless all are like that.
    var isUnreliable: Bool { isFlapping || isStalled }
    /// What it has in hand, the older first.
    var assignments: [Assignment] { [upload, lease].compactMap(\.self) }

    /// What it has of a block.
    subscript(block: SlotBlock) -> Assignment? {
        get { upload?.block == block ? upload : lease?.block == block ? lease : nil }
        set { if upload?.block == block { upload = newValue } else if lease?.block == block { lease = newValue } }
    }

    mutating func noteHeard(now: Instant) {
        lastHeard = now
        isSilent = false
    }

    /// A block was taken from it. If it had done nothing of it, it gets nothing for twice as long as it had it, at most for so long.
    mutating func noteTaken(_ assignment: Assignment, now: Instant, most: Duration) {
        guard assignment.slotsDone == 0, assignment.digest == nil else { return }
        rest = min(max(assignment.since.duration(to: now), rest) * 2, most)
        restEnd = now + rest
        isResting = true
    }

    /// It has done a slot.
    mutating func noteWork() {
        rest = .zero
        restEnd = nil
        isResting = false
    }

    /// Time in which the coordinator did not look is not held against the block at hand.
    mutating func forgive(_ gap: Duration) {
        if let lease { self.lease?.lastSlot = lease.lastSlot + gap }
    }

    mutating func forgetStep() {
        planned = nil
        nextChunk = 0
        hasWeights = false
        forgetWork()
    }

    mutating func forgetWork() {
        lease = nil
        upload = nil
        checked = nil
        blocks = 0
        declines = false
    }
}

/// A worker as a pure state machine: what arrives goes in as events, what is to be done comes out as actions.
///
/// A worker holds nothing that matters: it may vanish at any instant, and after any trouble it simply connects anew with a new
/// session. The model that it built survives that, as long as the run and its configuration are the same.
public struct WorkerState: Sendable {
    /// What can happen to a worker.
    public enum Event: Sendable, Equatable {
        case control(ControlMessage)
        /// A bulk message with intact checksums came in.
        case bulk(BulkHeader)
        /// Something came in that cannot be read.
        case malformed(reason: String)
        /// A frame in another version of the protocol came in.
        case otherVersion(Int)
        /// A connection could not be made or broke.
        case disconnected(reason: String)
        /// What the model computes of the fixed image; comes before `modelReady`.
        case canaryComputed(Canary)
        /// The answer to `buildModel`.
        case modelReady
        case modelRefused(exitCode: Int32, text: String)
        /// An answer to `checkPlan`: the worker's own plan differs.
        case planRefused(text: String)
        /// The answers to `prepare`: everything is here, or these samples are not.
        case prepared(step: Int, block: SlotBlock)
        case samplesMissing(step: Int, block: SlotBlock, ids: [Int])
        /// From the computation: so many slots of the block are done.
        case progress(step: Int, block: SlotBlock, slotsDone: Int)
        /// The answer to `compute`.
        case blockComputed(step: Int, block: SlotBlock, digest: String, bytes: Int)
        /// The driver met an error that the worker cannot survive.
        case failed(exitCode: Int32, text: String)
        /// Time has passed.
        case tick
        /// The worker is to end (SIGTERM).
        case stop(reason: String)
    }

    /// What the driver has to do, in this order.
    public enum Action: Sendable, Equatable {
        /// Open a control socket under this session.
        case open(SessionID)
        /// Open the bulk socket to this port of the coordinator's host, and send this header on it.
        case openBulk(port: Int, attach: BulkHeader)
        /// Close both sockets. What was not sent yet is of no use to anybody (`dropUnsent`), or still has to leave.
        case close(dropUnsent: Bool)
        case send(ControlMessage)
        /// Build the model that the welcome describes; takes seconds, so elsewhere.
        case buildModel(Welcome)
        /// Compare with the worker's own plan of the step.
        case checkPlan(StepPlan)
        /// Copy the payload that came with the event into the weights buffer of the header's step.
        case storeWeights(BulkHeader)
        /// Keep the payload that came with the event; `isComplete` says that the sample is whole now.
        case storeSample(BulkHeader, isComplete: Bool)
        /// Find out whether samples of the block are missing.
        case prepare(step: Int, block: SlotBlock)
        case compute(step: Int, block: SlotBlock)
        /// Stop computing as soon as possible; the result is not wanted.
        case cancel
        /// Send these bytes of the computed gradient of the header's block.
        case sendGradient(BulkHeader)
        /// The computed gradient of the block is not needed any more.
        case releaseGradient(SlotBlock)
        case report(WorkerEvent)
        /// The end; nothing follows.
        case finished(FleetExit)
    }

    enum Link: Equatable {
        /// Not connected; tries again at that time.
        case waiting(until: Instant)
        /// Hello is on its way.
        case greeting
        /// Taken in; the model is being built.
        case building
        /// At work.
        case joined
        case ended
    }

    enum Stage: Equatable {
        case preparing
        /// Samples still to ask for, and samples asked for.
        case fetching
        case computing
        /// Its gradient waits for the one before it to leave.
        case computed
    }

    struct Work {
        let step: Int
        let block: SlotBlock
        /// Of the lease.
        let number: Int
        var stage = Stage.preparing
        var slotsDone = 0
        /// Samples to ask for.
        var wanted: [Int] = []
        /// Samples asked for, with the chunks that came.
        var pending: [(id: Int, chunks: ChunkSet?)] = []
    }

    /// A gradient on its way to the coordinator, while the next block is in work: at most one, so there are two gradients in memory at most.
    struct Upload {
        let step: Int
        let block: SlotBlock
        let number: Int
        var nextChunk = 0
    }

    /// Who the worker is, without protocol matters.
    public let hello: Hello
    /// The coordinator's address, for texts.
    public let address: String
    var timing: FleetTiming

    var link: Link
    var session: SessionID
    /// Sessions opened so far.
    var sessions = 0
    /// Attempts since the last success.
    var attempts = 0
    var welcome: Welcome?
    /// The welcome that the newest model was asked for with.
    var model: Welcome?
    /// What the newest model computed of the fixed image.
    var canary: Canary?
    var buildsUnderWay = 0
    /// The highest generation seen of a run.
    var newest: (run: RunID, generation: UInt64)?
    var orphanSince: Instant?
    var lastHandled: Instant
    var lastHeard: Instant
    var lastHeartbeat: Instant
    var credit = 0
    /// Of weights.
    var owed = OwedCredit()
    var plan: StepPlan?
    var weights: (step: Int, chunks: ChunkSet)?
    var work: Work?
    var upload: Upload?
    /// The number of the newest lease of the session: the same once more is a message that arrived twice.
    var newestLease = 0
    var actions: [Action] = []

    /// - Parameters:
    ///   - hello: who the worker is; its `process` also keys session ids and back-off jitter.
    ///   - address: the coordinator's address, for texts.
    public init(hello: Hello, address: String, timing: FleetTiming = FleetTiming(), now: Instant) {
        self.hello = hello
        self.address = address
        self.timing = timing
        link = .waiting(until: now)
        session = .derived(from: hello.process, attempt: 0)
        orphanSince = now
        lastHandled = now
        lastHeard = now
        lastHeartbeat = now
    }

    /// When the machine wants its next `tick`, unless something else happens before.
    public var nextTick: Instant {
        let regular = lastHandled + timing.tick
        if case .waiting(let until) = link { return min(regular, max(until, lastHandled)) }
        return regular
    }

    /// The transition function: takes in an event, changes the state, says what to do.
    public mutating func handle(_ event: Event, now: Instant) -> [Action] {
        guard link != .ended else { return [] }
        forgivePause(until: now)
        switch event {
        case .control(let message): receive(message, now: now)
        case .bulk(let header): receive(header, now: now)
        case .malformed(let reason):
            report(.dropped(reason: reason))
            rejoin(reason: "received what cannot be read: \(reason)", now: now)
        case .otherVersion(let version):
            end(
                ExitCode.configuration,
                """
                the coordinator speaks protocol \(version), this worker \(ControlMessage.protocolVersion); \
                install the same release on both
                """)
        case .disconnected(let reason): rejoin(reason: reason, now: now)
        case .canaryComputed(let computed): canary = computed
        case .modelReady: modelReady()
        case .modelRefused(let exitCode, let text), .failed(let exitCode, let text): fail(exitCode, text)
        case .planRefused(let text): fail(ExitCode.configuration, text)
        case .prepared(let step, let block): prepared(step: step, block: block)
        case .samplesMissing(let step, let block, let ids): fetch(ids, step: step, block: block)
        case .progress(let step, let block, let slotsDone):
            if isComputing(step: step, block: block) { work?.slotsDone = slotsDone }
        case .blockComputed(let step, let block, let digest, let bytes):
            computed(step: step, block: block, digest: digest, bytes: bytes)
        case .tick: break
        case .stop(let reason):
            send(.leave(reason: reason))
            end(ExitCode.done, reason)
        }
        keepTime(now: now)
        defer { actions = [] }
        return actions
    }

    // MARK: Ending

    /// Tells the coordinator about an error, and ends.
    mutating func fail(_ exitCode: Int32, _ text: String) {
        send(.fault(exitCode: exitCode, text: text))
        end(exitCode, text)
    }

    mutating func end(_ exitCode: Int32, _ text: String) {
        guard link != .ended else { return }
        abandonWork()
        link = .ended
        actions.append(.close(dropUnsent: false))
        actions.append(.finished(FleetExit(exitCode: exitCode, text: text)))
    }

    // MARK: Helpers

    /// True when the coordinator has taken the session in.
    var isTakenIn: Bool { link == .building || link == .joined }

    mutating func send(_ message: ControlMessage) {
        guard isTakenIn else { return }
        actions.append(.send(message))
    }

    mutating func report(_ event: WorkerEvent) { actions.append(.report(event)) }
    mutating func drop(_ reason: String) { report(.dropped(reason: reason)) }
}

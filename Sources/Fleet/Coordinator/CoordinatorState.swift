/// The coordinator as a pure state machine: what arrives goes in as events, what is to be done comes out as actions.
///
/// It knows no socket, clock, file or tensor. It decides who is in the fleet, who computes what, which bytes go where, and
/// whether something received is used. Anything may arrive at any time; whatever does not fit is reported and dropped.
public struct CoordinatorState: Sendable {
    /// What can happen to a coordinator.
    public enum Event: Sendable, Equatable {
        /// A control message came in.
        case control(ControlMessage, from: SessionID)
        /// A bulk message with intact checksums came in.
        case bulk(BulkHeader, from: SessionID)
        /// Something came in that cannot be read; `from` is nil when not even the sender is known.
        case malformed(reason: String, from: SessionID?)
        /// A frame in another version of the protocol came in.
        case otherVersion(Int, from: SessionID)
        /// A message to the session could not be delivered: its connection is gone.
        case unreachable(SessionID)
        /// The same of several sessions at once, as when their machine goes: no block may pass from one of them to the next.
        case unreachableTogether([SessionID])
        /// The session's peer is not to be trusted any more: it is told why and shut out.
        case expel(SessionID, exitCode: Int32, text: String)
        /// Time has passed.
        case tick
        /// The work of `finishStep` is done and durable. `next` is nil when the training is complete.
        case stepCommitted(next: StepPlan?)
        /// The run is to end: preemption, or an error on the coordinator's side.
        case stop(exitCode: Int32, text: String)
        /// The run is to end after the step at hand if that is committed by the deadline, otherwise without it.
        case stopAfterStep(exitCode: Int32, text: String, deadline: Instant)
    }

    /// What the driver has to do, in this order.
    public enum Action: Sendable, Equatable {
        case send(ControlMessage, to: SessionID)
        /// Send a chunk of the weights of the step: these bytes of them.
        case sendWeights(step: Int, chunk: Int, bytes: Range<Int>, to: SessionID)
        /// Send the bytes of a sample, in as many chunks as it takes.
        case sendSample(id: Int, to: SessionID)
        /// Copy the payload that came with the event into the session's gradient buffer.
        case storeChunk(BulkHeader, from: SessionID)
        /// The session's gradient buffer is complete: add it to the tree.
        case mergeBlock(step: Int, block: SlotBlock, from: SessionID)
        /// The session's gradient buffer is not needed.
        case discardBlock(from: SessionID)
        /// Forget what was merged of the step, and all gradient buffers: the step begins anew with the same weights.
        case restartStep(step: Int)
        /// All slots are merged: update the weights, make the step durable, then say `stepCommitted`. Blocks by first slot.
        case finishStep(step: Int, blocks: [LeaseTable.Finished])
        /// Free everything held for the session.
        case closeSession(SessionID)
        case report(FleetEvent)
        /// The end; nothing follows.
        case finished(FleetExit)
    }

    enum Phase: Equatable {
        case gathering, running, finishing
        /// Everybody was told of the end; some have not answered yet.
        case ending(FleetExit, until: Instant)
        case ended
    }

    public let configuration: CoordinatorConfiguration
    /// The step in progress.
    public internal(set) var plan: StepPlan
    var phase = Phase.gathering
    /// Sessions in the order in which they joined.
    var members: [Member] = []
    var table: LeaseTable
    /// The results announced in this step.
    var votes = Votes()
    /// Finished blocks of a step that is computed twice which have one result so far, large ones first.
    var unchecked: [SlotBlock] = []
    /// Processes with a part in what is merged of this step.
    var contributors: Set<SessionID> = []
    /// Processes that vanished in this step, whether they came back or not.
    var vanished: Set<SessionID> = []
    var poison = PoisonWatch()
    var memory = FleetMemory()
    /// Of the workers measured so far, the median: seconds for a slot of relative cost 1, and for the transfer of a gradient.
    var typical: (secondsPerSlot: Double?, transferSeconds: Double) = (nil, 0)
    /// Since when nobody is there who could decide which of two results is right.
    var undecidedSince: Instant?
    var actions: [Action] = []
    var lastHandled: Instant
    var lastTick: Instant
    var lastHeartbeat: Instant
    /// Since when there have been too few workers.
    var gatheringSince: Instant?
    /// Errors by worker process.
    var errors = ErrorBudget<SessionID>()
    var dropReports = ReportLimit(perMinute: 300)
    /// Set once the run is to end after the step at hand.
    var stopping: Stopping?
    /// When the first worker was told of the step at hand.
    var stepBegan: Instant?
    /// The last step's time, for a relative cost of 1.
    var secondsPerStep: Double?

    /// - Parameters:
    ///   - plan: the first step to compute.
    ///   - now: the time of the start.
    public init(configuration: CoordinatorConfiguration, plan: StepPlan, now: Instant) {
        precondition(
            configuration.creditBytes >= configuration.chunkBytes && configuration.chunkBytes <= ControlMessage.largestChunk,
            "chunks of \(configuration.chunkBytes) bytes do not fit a credit of \(configuration.creditBytes)")
        precondition(
            configuration.weightsBytes > 0 && configuration.gradientBytes > 0, "a model needs weights and gradients of some bytes")
        self.configuration = configuration
        self.plan = plan
        table = LeaseTable(slots: plan.slots)
        lastHandled = now
        lastTick = now
        lastHeartbeat = now
        gatheringSince = now
    }

    /// Sessions that the coordinator has taken in.
    public var sessionCount: Int { members.count }
    /// Sessions whose model is built.
    public var readyCount: Int { members.count { $0.isReady } }
    /// When the machine wants its next `tick`, whatever else happens before: in a large fleet something always does.
    public var nextTick: Instant { lastTick + configuration.timing.tick }

    /// The transition function: takes in an event, changes the state, says what to do.
    public mutating func handle(_ event: Event, now: Instant) -> [Action] {
        guard phase != .ended else { return [] }
        defer { actions = [] }
        if case .tick = event { lastTick = now }
        if case .ending(let exit, let until) = phase {
            takeLeave(event, exit: exit, until: until, now: now)
            return actions
        }
        forgivePause(until: now)
        switch event {
        case .control(let message, let session): receive(message, from: session, now: now)
        case .bulk(let header, let session): receive(header, from: session, now: now)
        case .malformed(let reason, let session): malformed(reason, from: session)
        case .otherVersion(let version, let session): refuse(version: version, session)
        case .unreachable(let session): lose(session, reason: "connection lost")
        case .unreachableTogether(let sessions): for session in sessions { lose(session, reason: "connection lost") }
        case .expel(let session, let exitCode, let text): expel(session, exitCode: exitCode, text)
        case .tick: tick(now: now)
        case .stepCommitted(let next): commit(next: next)
        case .stop(let exitCode, let text): end(FleetExit(exitCode: exitCode, text: text))
        case .stopAfterStep(let exitCode, let text, let deadline):
            stopAfterStep(FleetExit(exitCode: exitCode, text: text), deadline: deadline)
        }
        checkStopping(now: now)
        advance(now: now)
        return actions
    }

    // MARK: Ending

    /// Tells everybody, and ends as soon as all have answered.
    mutating func end(_ exit: FleetExit) {
        guard isOpen else { return }
        for member in members { actions.append(.send(.bye(exitCode: exit.exitCode, text: exit.text), to: member.id)) }
        phase = .ending(exit, until: lastHandled + configuration.timing.farewell)
        endIfAllHaveLeft(exit)
    }

    /// False once the end has begun.
    var isOpen: Bool {
        switch phase {
        case .gathering, .running, .finishing: true
        case .ending, .ended: false
        }
    }

    /// While the end is under way, only departures matter; whoever comes now is told at once.
    private mutating func takeLeave(_ event: Event, exit: FleetExit, until: Instant, now: Instant) {
        lastHandled = max(lastHandled, now)
        switch event {
        case .control(.leave, let session), .control(.fault, let session), .unreachable(let session): close(session)
        case .control(.hello, let session): actions.append(.send(.bye(exitCode: exit.exitCode, text: exit.text), to: session))
        case .unreachableTogether(let sessions): for session in sessions { close(session) }
        // A second request to stop: do not wait.
        case .stop: for member in members { close(member.id) }
        default: if now >= until { for member in members { close(member.id) } }
        }
        endIfAllHaveLeft(exit)
    }

    private mutating func close(_ session: SessionID) {
        guard let position = position(of: session) else { return }
        members.remove(at: position)
        actions.append(.closeSession(session))
    }

    private mutating func endIfAllHaveLeft(_ exit: FleetExit) {
        guard members.isEmpty else { return }
        phase = .ended
        actions.append(.finished(exit))
    }

    private mutating func commit(next: StepPlan?) {
        guard phase == .finishing else {
            preconditionFailure("step \(plan.step) was committed but is not finished")
        }
        noteStepEnd()
        guard let next else { return end(FleetExit(exitCode: ExitCode.done, text: "training complete")) }
        if let stopping { return end(stopping.exit) }
        plan = next
        table = LeaseTable(slots: next.slots)
        votes = Votes()
        unchecked = []
        contributors = []
        vanished = []
        poison = PoisonWatch()
        undecidedSince = nil
        for position in members.indices { members[position].forgetStep() }
        phase = .running
    }

    // MARK: Helpers

    func position(of session: SessionID) -> Int? { members.firstIndex { $0.id == session } }

    mutating func report(_ event: FleetEvent) { actions.append(.report(event)) }
}

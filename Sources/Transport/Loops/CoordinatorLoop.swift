import Checksums
import Fleet

/// Runs a `CoordinatorState` over real sockets, on the thread that calls `run()`.
public final class CoordinatorLoop: @unchecked Sendable {
    // Sendable: everything but `commands` and the endpoints belongs to the thread of `run()`.
    private enum Command: Sendable {
        case stop(FleetExit)
        case stopAfterStep(FleetExit, deadline: Instant)
        case vanish
        case notice(Authenticator.Notice)
    }

    /// The control address that workers connect to.
    public let endpoint: String
    /// The bulk address; workers learn its port from the welcome.
    public let bulkEndpoint: String
    private let commands = Mailbox<Command>()
    private let configuration: CoordinatorConfiguration
    private let plan: StepPlan
    private let delegate: any CoordinatorDelegate
    /// What keeps peers apart; nil without keys.
    private var gate: Gate?
    private var control: Socket?
    private var bulk: Socket?
    private var state: CoordinatorState
    private var end: FleetExit?
    /// Gradients on their way in.
    private var buffers: [SessionID: BulkBuffer] = [:]
    private var pool: BufferPool
    /// The weights of the current step, with the checksums of the chunks sent so far.
    private var weights: (step: Int, payload: BulkPayload, checksums: [UInt32?])?
    /// Bulk messages that a full socket did not take yet, in order.
    private var outbox: [(session: SessionID, parts: [Part])] = []
    /// Sessions that could not be reached, in order.
    private var missed: [SessionID] = []

    /// Binds the sockets.
    /// - Parameters:
    ///   - plan: the first step to compute.
    ///   - listen: `tcp://host:port`; port `*` takes a free one.
    ///   - bulkListen: the bulk address; by default the port after the control port, or any free one.
    ///   - security: without keys, or the word that none are wanted, both addresses have to be loopback ones.
    public init(
        configuration: CoordinatorConfiguration, plan: StepPlan, listen: String, bulkListen: String? = nil,
        security: CoordinatorSecurity = .loopbackOnly, delegate: any CoordinatorDelegate
    ) throws(TransportError) {
        let address = try Endpoint(listen)
        let bulkAddress = bulkListen ?? address.address(port: address.port.map { $0 + 1 })
        try security.check(listen: listen)
        try security.check(listen: bulkAddress)
        let context = try Context()
        var keys: CoordinatorKeys?
        if case .keys(let given) = security {
            let commands = commands
            gate = Gate(try Authenticator(given, in: context) { commands.post(.notice($0)) })
            keys = given
        }
        let control = try Socket.router(.control, in: context, keys: keys, bind: address.address(port: address.port))
        let bulk = try Socket.router(.bulk, in: context, keys: keys, bind: bulkAddress)
        self.control = control
        self.bulk = bulk
        endpoint = control.endpoint
        bulkEndpoint = bulk.endpoint
        var configuration = configuration
        configuration.bulkPort = try Endpoint(bulkEndpoint).port ?? 0
        self.configuration = configuration
        self.plan = plan
        self.delegate = delegate
        pool = BufferPool(count: configuration.gradientBytes)
        state = CoordinatorState(configuration: configuration, plan: plan, now: .current)
    }

    /// Ends the run from any thread (a signal handler's, for one): workers are told, `run()` returns this exit.
    /// A step end in progress is finished first.
    public func requestStop(exitCode: Int32, text: String) {
        commands.post(.stop(FleetExit(exitCode: exitCode, text: text)))
    }

    /// Ends the run from any thread, after the step at hand if that is committed within `patience`, without it otherwise.
    public func requestStop(exitCode: Int32, text: String, patience: Duration) {
        commands.post(.stopAfterStep(FleetExit(exitCode: exitCode, text: text), deadline: .current + patience))
    }

    /// Ends `run()` without telling anybody, as a crash would.
    package func vanish() { commands.post(.vanish) }

    /// Trains until the end; call it once. The sockets are closed when it returns.
    public func run() -> FleetExit {
        state = CoordinatorState(configuration: configuration, plan: plan, now: .current)
        while end == nil, let control, let bulk {
            var poller = Poller()
            poller.watch(fileDescriptor: commands.fileDescriptor)
            poller.watch(control)
            poller.watch(bulk)
            let untilTick = Instant.current.duration(to: state.nextTick)
            poller.wait(atMost: outbox.isEmpty ? untilTick : min(untilTick, .milliseconds(5)))
            for command in commands.drain() {
                switch command {
                case .stop(let exit): handle(.stop(exitCode: exit.exitCode, text: exit.text))
                case .stopAfterStep(let exit, let deadline):
                    handle(.stopAfterStep(exitCode: exit.exitCode, text: exit.text, deadline: deadline))
                case .notice(.event(let event)): delegate.report(.security(event))
                case .notice(.revoked(let keys)):
                    expel(gate?.sessions(of: keys) ?? [], exitCode: ExitCode.authentication, text: Gate.revocation)
                case .vanish:
                    control.dropUnsent()
                    bulk.dropUnsent()
                    end = FleetExit(exitCode: ExitCode.software, text: "vanished")
                }
            }
            flush()
            receiveControl()
            receiveBulk()
            loseMissed()
            if Instant.current >= state.nextTick { handle(.tick) }
        }
        outbox = []
        buffers = [:]
        weights = nil
        // The last references: the context ends with them, once the last messages are on their way and the ports are free.
        control = nil
        bulk = nil
        gate = nil
        return end ?? FleetExit(exitCode: ExitCode.done, text: "")
    }

    // MARK: Receiving

    /// A bounded number at a time, so that neither socket starves the other or the clock.
    private func receiveControl() {
        for _ in 0..<256 {
            guard end == nil, let frames = control?.receive() else { return }
            guard let session = frames[0].withBytes({ SessionID(routingID: $0) }) else {
                malformed("control message from a peer without session id", frames, from: nil)
                continue
            }
            guard isWelcome(frames, from: session) else { continue }
            guard frames.count == 2 else {
                malformed("control message of \(frames.count - 1) frames", frames, from: session)
                continue
            }
            do {
                let message = try ControlCodec.decode(frames[1])
                if case .hello(let hello) = message, !isWelcome(frames, from: session, as: hello) { continue }
                handle(.control(message, from: session))
                if case .hello = message, !state.isMember(session) { gate?.forget(session) }
            } catch {
                if case .otherVersion(let version) = error {
                    handle(.otherVersion(version, from: session))
                } else {
                    malformed(error.description, frames, from: session)
                }
            }
        }
    }

    private func receiveBulk() {
        for _ in 0..<32 {
            guard end == nil, let frames = bulk?.receive() else { return }
            guard let session = frames[0].withBytes({ SessionID(routingID: $0) }) else {
                malformed("bulk message from a peer without session id", frames, from: nil)
                continue
            }
            guard isWelcome(frames, from: session) else { continue }
            guard frames.count == 3 else {
                malformed("bulk message of \(frames.count - 1) frames", frames, from: session)
                continue
            }
            do {
                let header = try BulkHeaderCodec.decode(frames[1], payload: frames[2])
                handle(.bulk(header, from: session), payload: frames[2])
            } catch {
                malformed(error.description, frames, from: session)
            }
        }
    }

    // MARK: Keys

    /// True when a message may be used: without keys always, with keys when its sender's key may speak in the session.
    private func isWelcome(_ frames: [Frame], from session: SessionID, as hello: Hello? = nil) -> Bool {
        let verdict =
            if let hello { gate?.verdict(on: hello, with: frames.last, in: session, now: .current) } else {
                gate?.verdict(on: frames.last, in: session, now: .current)
            }
        switch verdict {
        case nil, .pass: return true
        case .drop(let event):
            if let event { delegate.report(.security(event)) }
        case .expel(let exitCode, let text): expel([session], exitCode: exitCode, text: text)
        }
        return false
    }

    private func malformed(_ reason: String, _ frames: [Frame], from session: SessionID?) {
        handle(.malformed(reason: reason, from: session))
        guard let bar = gate?.malformed(reason, in: frames.last, now: .current) else { return }
        delegate.report(.security(bar.event))
        expel(bar.sessions, exitCode: ExitCode.unavailable, text: bar.text)
    }

    private func expel(_ sessions: [SessionID], exitCode: Int32, text: String) {
        for session in sessions {
            handle(.expel(session, exitCode: exitCode, text: text))
            gate?.forget(session)
        }
    }

    // MARK: Acting

    private func handle(_ event: CoordinatorState.Event, payload: Frame? = nil) {
        var events = [event]
        while end == nil, !events.isEmpty {
            for action in state.handle(events.removeFirst(), now: .current) {
                do {
                    if let followUp = try perform(action, payload: payload) { events.append(followUp) }
                } catch {
                    let exit = FleetExit(error)
                    events = [.stop(exitCode: exit.exitCode, text: exit.text)]
                    break
                }
            }
        }
    }

    /// Does what the state machine asks for; returns the event that follows from it.
    private func perform(_ action: CoordinatorState.Action, payload: Frame?) throws -> CoordinatorState.Event? {
        switch action {
        case .send(let message, let session):
            let sent = control?.send([.bytes(session.routingID), .bytes(ControlCodec.encode(message))])
            // A thousand unread control messages: whoever is there does not listen any more.
            if sent != .sent { miss(session) }
        case .sendWeights(let step, let chunk, let bytes, let session):
            send(weightsMessage(step: step, chunk: chunk, bytes: bytes, to: session), to: session)
        case .sendSample(let id, let session):
            let sample = BulkPayload(copying: try delegate.sample(id))
            let layout = ChunkLayout(totalBytes: sample.bytes.count, chunkBytes: configuration.chunkBytes)
            for chunk in 0..<layout.count {
                let part = sample.part(layout.range(of: chunk))
                let parts = message(
                    .sample, to: session, index: id, chunk: chunk, layout: layout, payload: part,
                    checksum: CRC32C.checksum(part.bytes))
                send(parts, to: session)
            }
        case .storeChunk(let header, let session):
            guard let payload else { preconditionFailure("a chunk to store without message") }
            let buffer = buffers[session] ?? pool.take()
            buffers[session] = buffer
            payload.withBytes { buffer.copy($0, to: header.offset) }
        case .mergeBlock(let step, let block, let session):
            guard let buffer = buffers.removeValue(forKey: session) else { preconditionFailure("\(block) to merge without bytes") }
            try delegate.merge(step: step, block: block, gradient: buffer)
        case .discardBlock(let session):
            buffers[session] = nil
        case .finishStep(let step, let blocks):
            weights = nil
            return .stepCommitted(next: try delegate.finishStep(step, blocks: blocks))
        case .closeSession(let session):
            buffers[session] = nil
            gate?.forget(session)
            outbox.removeAll { $0.session == session }
        case .report(let event):
            delegate.report(event)
        case .finished(let exit):
            end = exit
        }
        return nil
    }

    // MARK: Sending bulk

    private func weightsMessage(step: Int, chunk: Int, bytes: Range<Int>, to session: SessionID) -> [Part] {
        let layout = ChunkLayout(totalBytes: configuration.weightsBytes, chunkBytes: configuration.chunkBytes)
        if weights?.step != step {
            let payload = delegate.weights()
            precondition(
                payload.bytes.count == configuration.weightsBytes,
                "the delegate has \(payload.bytes.count) bytes of weights instead of \(configuration.weightsBytes)")
            weights = (step, payload, Array(repeating: nil, count: layout.count))
        }
        guard let current = weights else { preconditionFailure("weights vanished") }
        let part = current.payload.part(bytes)
        let checksum = current.checksums[chunk] ?? CRC32C.checksum(part.bytes)
        weights?.checksums[chunk] = checksum
        return message(.weights, to: session, step: step, chunk: chunk, layout: layout, payload: part, checksum: checksum)
    }

    private func message(
        _ kind: BulkKind, to session: SessionID, step: Int = 0, index: Int = 0, chunk: Int, layout: ChunkLayout,
        payload: BulkPayload, checksum: UInt32
    ) -> [Part] {
        let header = BulkHeader(
            kind: kind, runID: configuration.runID, generation: configuration.generation, session: session, step: step,
            index: index, chunk: chunk, chunkCount: layout.count, offset: layout.range(of: chunk).lowerBound,
            payloadBytes: payload.bytes.count, totalBytes: layout.totalBytes, payloadChecksum: checksum)
        return [.bytes(session.routingID), .bytes(BulkHeaderCodec.encode(header)), .payload(payload)]
    }

    private func send(_ parts: [Part], to session: SessionID) {
        guard !outbox.contains(where: { $0.session == session }) else { return outbox.append((session, parts)) }
        switch bulk?.send(parts) {
        case .sent: break
        case .full: outbox.append((session, parts))
        case .unreachable, nil: miss(session)
        }
    }

    /// Notes that nothing can be sent to a session any more. What it said before, a farewell perhaps, may still be unread.
    private func miss(_ session: SessionID) {
        if !missed.contains(session) { missed.append(session) }
    }

    /// Takes in the loss of sessions, once their last words have been read.
    private func loseMissed() {
        guard !missed.isEmpty else { return }
        receiveControl()
        while end == nil, !missed.isEmpty { handle(.unreachable(missed.removeFirst())) }
    }

    /// Tries again what was not taken; the order within a session stays.
    private func flush() {
        guard !outbox.isEmpty else { return }
        var blocked: Set<SessionID> = []
        var waiting: [(session: SessionID, parts: [Part])] = []
        for item in outbox {
            if blocked.contains(item.session) {
                waiting.append(item)
                continue
            }
            switch bulk?.send(item.parts) {
            case .sent: continue
            case .full: waiting.append(item)
            case .unreachable, nil: miss(item.session)
            }
            blocked.insert(item.session)
        }
        outbox = waiting
    }
}

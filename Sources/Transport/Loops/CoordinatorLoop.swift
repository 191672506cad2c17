import Fleet

/// Runs a `CoordinatorState` over real sockets, on the thread that calls `run()`. That thread never waits for the delegate's long work, which
/// `CoordinatorWork` does elsewhere: a fleet may lose patience with a coordinator, but not because it is adding.
public final class CoordinatorLoop: @unchecked Sendable {
    // Sendable: everything but `commands`, `outcomes` and the endpoints belongs to the thread of `run()`.
    private enum Command: Sendable {
        case stop(FleetExit)
        case stopAfterStep(FleetExit, deadline: Instant)
        case vanish
        case notice(Authenticator.Notice)
    }

    /// The weights of the step in progress, with the checksums of the chunks sent so far.
    struct Published {
        let payload: BulkPayload
        var checksums: [UInt32?]
    }

    /// The control address that workers connect to.
    public let endpoint: String
    /// The bulk address; workers learn its port from the welcome.
    public let bulkEndpoint: String
    private let commands = Mailbox<Command>()
    private let outcomes = Mailbox<CoordinatorWork.Outcome>()
    let configuration: CoordinatorConfiguration
    private let plan: StepPlan
    let delegate: any CoordinatorDelegate
    /// What keeps peers apart; nil without keys.
    var gate: Gate?
    var control: Socket?
    var bulk: Socket?
    var peers: PeerProbe
    var state: CoordinatorState
    var end: FleetExit?
    /// The first error of the delegate.
    private var failure: FleetExit?
    /// Gradients on their way in.
    var buffers: [SessionID: BulkBuffer] = [:]
    var pool: BufferPool
    /// Blocks given to the step's thread and not added yet.
    var unmerged = 0
    var weights: Published?
    var outbox = Outbox()
    var steps: JobThread<CoordinatorWork.StepJob, CoordinatorWork.Outcome>?
    var samples: JobThread<CoordinatorWork.SampleJob, CoordinatorWork.Outcome>?
    /// Sessions that could not be reached, in order.
    var missed: [SessionID] = []

    /// So many complete blocks may wait to be added; then no bulk data are read until one is. With the gradients on their way, one for each
    /// lease, and those in the tree that bounds the memory (docs/protocol.md).
    static let unmergedLimit = 2

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
        let files = OpenFileLimit.raise()
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
        peers = PeerProbe(monitor: try control.disconnections(in: context))
        endpoint = control.endpoint
        bulkEndpoint = bulk.endpoint
        var configuration = configuration
        configuration.bulkPort = try Endpoint(bulkEndpoint).port ?? 0
        configuration.maximumSessions = min(configuration.maximumSessions, OpenFileLimit.sessions(within: files))
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

    /// Gradients that there was memory for at once so far; to be asked after `run()`.
    package var gradientBuffers: Int { pool.allocated }

    /// Ends `run()` without telling anybody, as a crash would.
    package func vanish() { commands.post(.vanish) }

    /// Trains until the end; call it once. When it returns, the sockets are closed and the delegate is not called any more.
    public func run() -> FleetExit {
        publish(delegate.weights())
        let work = CoordinatorWork(delegate)
        let steps = JobThread(name: "mvq step", outcomes: outcomes) { (job: CoordinatorWork.StepJob) in work.perform(job) }
        let samples = JobThread(name: "mvq samples", outcomes: outcomes) { (job: CoordinatorWork.SampleJob) in work.perform(job) }
        (self.steps, self.samples) = (steps, samples)
        state = CoordinatorState(configuration: configuration, plan: plan, now: .current)
        while end == nil, let control, let bulk {
            waitForWork(control, bulk)
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
            for outcome in outcomes.drain() where end == nil { take(outcome) }
            for session in outbox.flush(on: bulk) { miss(session) }
            receiveControl()
            receiveBulk()
            if peers.isDue(now: .current) { probePeers() }
            loseMissed()
            if Instant.current >= state.nextTick { handle(.tick) }
        }
        outbox.removeAll()
        buffers = [:]
        weights = nil
        // The last references: the context ends with them, once the last messages are on their way and the ports are free.
        peers.close(control)
        control = nil
        bulk = nil
        gate = nil
        // A step end in progress is finished, and only then the delegate's state is its owner's again.
        samples.finish()
        steps.finish()
        for case .failed(let exit) in outcomes.drain() where failure == nil { failure = exit }
        return failure ?? end ?? FleetExit(exitCode: ExitCode.done, text: "")
    }

    private func waitForWork(_ control: Socket, _ bulk: Socket) {
        var poller = Poller()
        poller.watch(fileDescriptor: commands.fileDescriptor)
        poller.watch(fileDescriptor: outcomes.fileDescriptor)
        poller.watch(control)
        poller.watch(peers.monitor)
        if unmerged < Self.unmergedLimit { poller.watch(bulk) }
        var patience = Instant.current.duration(to: state.nextTick)
        if !outbox.isEmpty { patience = min(patience, .milliseconds(5)) }
        if let due = peers.due { patience = min(patience, Instant.current.duration(to: due)) }
        poller.wait(atMost: patience)
    }

    /// Takes in what a thread of the delegate has done.
    private func take(_ outcome: CoordinatorWork.Outcome) {
        switch outcome {
        case .merged: unmerged -= 1
        case .restarted: break
        case .committed(let next, let weights):
            if let weights { publish(weights) }
            handle(.stepCommitted(next: next))
        case .read(let id, let sample, let session): send(sample: id, sample, to: session)
        case .failed(let exit):
            failure = failure ?? exit
            handle(.stop(exitCode: exit.exitCode, text: exit.text))
        }
    }

    // MARK: Receiving

    /// A bounded number at a time, so that neither socket starves the other or the clock.
    func receiveControl() {
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
            guard end == nil, unmerged < Self.unmergedLimit, let frames = bulk?.receive() else { return }
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
}

import Failpoints
import Fleet

/// Runs a `WorkerState` over real sockets, on the thread that calls `run()`; that thread never computes.
public final class WorkerLoop: @unchecked Sendable {
    // Sendable: everything but `commands` belongs to the thread of `run()`.
    private enum Command: Sendable {
        case stop(reason: String)
        case vanish
    }

    private let commands = Mailbox<Command>()
    private let address: String
    private let host: Endpoint
    private let delegate: any WorkerDelegate
    private let compute: ComputeThread
    private let keys: WorkerKeys?
    private var diagnosis: HandshakeDiagnosis
    private var context: Context?
    private let hello: Hello
    private let timing: FleetTiming
    private var state: WorkerState
    private var session: SessionID
    private var control: WorkerLine?
    private var bulk: WorkerLine?
    private var end: FleetExit?
    private var pool: BufferPool?
    private var weights: (step: Int, buffer: BulkBuffer)?
    private var samples: [Int: [UInt8]] = [:]
    private var cancellation: ComputeThread.Cancellation?
    /// Computed blocks whose gradients have not left yet: one on its way, and one that waits.
    private var gradients: [SlotBlock: ComputedGradient] = [:]

    /// - Parameters:
    ///   - address: the coordinator's control address, `tcp://host:port`.
    ///   - hello: who the worker is; `process` has to be random.
    ///   - security: without keys, or the word that none are wanted, the address has to be a loopback one.
    public convenience init(
        address: String, hello: Hello, timing: FleetTiming = FleetTiming(), security: WorkerSecurity = .loopbackOnly,
        delegate: any WorkerDelegate
    ) throws(TransportError) {
        try self.init(address: address, hello: hello, timing: timing, security: security, context: Context(), delegate: delegate)
    }

    /// A worker that shares a ZeroMQ context with others of its process.
    package init(
        address: String, hello: Hello, timing: FleetTiming = FleetTiming(), security: WorkerSecurity = .loopbackOnly, context: Context,
        delegate: any WorkerDelegate
    ) throws(TransportError) {
        let host = try Endpoint(address)
        guard host.port != nil else { throw .badAddress(address, reason: "a worker needs the coordinator's port") }
        try security.check(connect: address)
        self.address = address
        self.host = host
        if case .keys(let given) = security { keys = given } else { keys = nil }
        diagnosis = HandshakeDiagnosis(address: address, keys: keys) { GreetingProbe.mechanism(at: host) }
        self.hello = hello
        self.timing = timing
        self.delegate = delegate
        self.context = context
        compute = ComputeThread(delegate: delegate)
        state = WorkerState(hello: hello, address: address, timing: timing, now: .current)
        session = hello.process
    }

    deinit { compute.post(.end) }

    /// Ends the worker from any thread: its block goes to another worker, `run()` returns exit code 0.
    public func requestStop(reason: String) { commands.post(.stop(reason: reason)) }

    /// Ends `run()` without telling anybody, as a crash would.
    package func vanish() { commands.post(.vanish) }

    /// Works until the end; call it once.
    public func run() -> FleetExit {
        state = WorkerState(hello: hello, address: address, timing: timing, now: .current)
        while end == nil {
            if Instant.current >= state.nextTick { handle(.tick) }
            var poller = Poller()
            poller.watch(fileDescriptor: commands.fileDescriptor)
            poller.watch(fileDescriptor: compute.results.fileDescriptor)
            var isWaitingToSend = false
            for line in [control, bulk].compactMap({ $0 }) {
                poller.watch(line.socket)
                poller.watch(line.monitor)
                isWaitingToSend = isWaitingToSend || !line.outbox.isEmpty
            }
            let untilTick = Instant.current.duration(to: state.nextTick)
            poller.wait(atMost: isWaitingToSend ? min(untilTick, .milliseconds(5)) : untilTick)
            for command in commands.drain() {
                switch command {
                case .stop(let reason): handle(.stop(reason: reason))
                case .vanish:
                    closeLines(dropUnsent: true)
                    end = FleetExit(exitCode: ExitCode.software, text: "vanished")
                }
            }
            for result in compute.results.drain() where end == nil { take(result) }
            control?.flush()
            bulk?.flush()
            receiveControl()
            receiveBulk()
            let ends = [control, bulk].compactMap { line in line?.monitor.connectionEnd().map { (line?.opened ?? .current, $0) } }
            if let (opened, reason) = ends.first {
                // What came before the break is still good, a bye above all.
                receiveControl()
                if let exit = diagnosis.note(reason, after: opened.duration(to: .current)) {
                    // Nobody will ever take what waits to be sent.
                    closeLines(dropUnsent: true)
                    handle(.failed(exitCode: exit.exitCode, text: exit.text))
                } else {
                    handle(.disconnected(reason: "\(reason)"))
                }
            }
        }
        cancellation?.cancel()
        closeLines(dropUnsent: false)
        // Waits until the last message is on its way.
        context = nil
        compute.post(.end)
        return end ?? FleetExit(exitCode: ExitCode.done, text: "")
    }

    // MARK: Receiving

    private func receiveControl() {
        for _ in 0..<64 {
            guard end == nil, let line = control, let frames = line.socket.receive() else { return }
            diagnosis.succeeded()
            guard frames.count == 1 else {
                handle(.malformed(reason: "control message of \(frames.count) frames"))
                continue
            }
            do {
                handle(.control(try ControlCodec.decode(frames[0])))
            } catch {
                if case .otherVersion(let version) = error {
                    handle(.otherVersion(version))
                } else {
                    handle(.malformed(reason: error.description))
                }
            }
        }
    }

    private func receiveBulk() {
        for _ in 0..<32 {
            guard end == nil, let line = bulk, let frames = line.socket.receive() else { return }
            guard frames.count == 2 else {
                handle(.malformed(reason: "bulk message of \(frames.count) frames"))
                continue
            }
            do {
                handle(.bulk(try BulkHeaderCodec.decode(frames[0], payload: frames[1])), payload: frames[1])
            } catch {
                handle(.malformed(reason: error.description))
            }
        }
    }

    private func take(_ result: ComputeThread.Result) {
        switch result {
        case .canary(let canary): handle(.canaryComputed(canary))
        case .joined: handle(.modelReady)
        case .joinFailed(let exit): handle(.modelRefused(exitCode: exit.exitCode, text: exit.text))
        case .progress(let step, let block, let slotsDone): handle(.progress(step: step, block: block, slotsDone: slotsDone))
        case .computed(let step, let block, let computed, let token):
            guard token === cancellation, !token.isCancelled else { return }
            gradients[block] = computed
            handle(
                .blockComputed(step: step, block: block, digest: computed.digest, bytes: computed.payload.bytes.count))
        case .failed(let exit): handle(.failed(exitCode: exit.exitCode, text: exit.text))
        }
    }

    // MARK: Acting

    private func handle(_ event: WorkerState.Event, payload: Frame? = nil) {
        var events = [event]
        while end == nil, !events.isEmpty {
            for action in state.handle(events.removeFirst(), now: .current) {
                do {
                    if let followUp = try perform(action, payload: payload) { events.append(followUp) }
                } catch {
                    let exit = FleetExit(error)
                    events = [.failed(exitCode: exit.exitCode, text: exit.text)]
                    break
                }
            }
        }
    }

    /// Does what the state machine asks for; returns the event that follows from it.
    private func perform(_ action: WorkerState.Action, payload: Frame?) throws -> WorkerState.Event? {
        switch action {
        case .open(let session):
            self.session = session
            guard let context else { return nil }
            Failpoints.reach(.workerConnect)
            let (socket, monitor) = try Socket.dealer(.control, in: context, keys: keys, session: session, connect: address)
            control = WorkerLine(socket: socket, monitor: monitor)
        case .openBulk(let port, let attach):
            guard let context else { return nil }
            let (socket, monitor) = try Socket.dealer(
                .bulk, in: context, keys: keys, session: session, connect: host.address(port: port))
            bulk = WorkerLine(socket: socket, monitor: monitor)
            bulk?.send([.bytes(BulkHeaderCodec.encode(attach)), .bytes([])])
        case .close(let dropUnsent):
            closeLines(dropUnsent: dropUnsent)
        case .send(let message):
            control?.send([.bytes(ControlCodec.encode(message))])
            if case .weightsReceived = message { Failpoints.reach(.workerIdle) }
        case .buildModel(let welcome):
            pool = BufferPool(count: welcome.weightsBytes)
            weights = nil
            compute.post(.join(welcome))
        case .checkPlan(let plan):
            if let difference = plan.difference(from: try delegate.plan(step: plan.step)) {
                return .planRefused(
                    text: """
                        the plan of step \(plan.step) differs from the coordinator's: \(difference); \
                        run the same build with the same configuration and dataset on both
                        """)
            }
        case .storeWeights(let header):
            guard let payload else { preconditionFailure("weights to store without message") }
            if weights?.step != header.step, let buffer = pool?.take() { weights = (header.step, buffer) }
            payload.withBytes { weights?.buffer.copy($0, to: header.offset) }
            Failpoints.reach(.workerWeights)
        case .storeSample(let header, let isComplete):
            guard let payload else { preconditionFailure("a sample to store without message") }
            payload.withBytes {
                samples[header.index, default: Array(repeating: 0, count: header.totalBytes)]
                    .replaceSubrange(header.offset..<header.offset + $0.count, with: $0)
            }
            if isComplete, let bytes = samples.removeValue(forKey: header.index) {
                try delegate.store(sample: header.index, bytes: bytes)
            }
        case .prepare(let step, let block):
            samples = [:]
            let missing = try delegate.missingSamples(step: step, block: block)
            return missing.isEmpty
                ? .prepared(step: step, block: block) : .samplesMissing(step: step, block: block, ids: missing)
        case .compute(let step, let block):
            guard let weights, weights.step == step else { preconditionFailure("\(block) to compute without weights of step \(step)") }
            let token = ComputeThread.Cancellation()
            cancellation = token
            compute.post(.compute(step: step, block: block, weights: weights.buffer, chunkBytes: state.chunkBytes, token))
        case .cancel:
            cancellation?.cancel()
        case .sendGradient(let header):
            guard let block = header.block, let gradient = gradients[block] else { preconditionFailure("a gradient to send that is not there") }
            reachUpload(of: header)
            let part = gradient.payload.part(header.offset..<header.offset + header.payloadBytes)
            var header = header
            header.payloadChecksum = gradient.checksums[header.chunk]
            bulk?.send([.bytes(BulkHeaderCodec.encode(header)), .payload(part)])
        case .releaseGradient(let block):
            gradients[block] = nil
        case .report(let event):
            delegate.report(event)
        case .finished(let exit):
            end = exit
        }
        return nil
    }

    /// Comes by the failpoints of an upload; a gradient of one chunk is its first and its last.
    private func reachUpload(of header: BulkHeader) {
        if header.chunk == 0 { Failpoints.reach(.workerUploadFirst) }
        if header.chunkCount > 2, header.chunk == header.chunkCount / 2 { Failpoints.reach(.workerUploadMiddle) }
        if header.chunk == header.chunkCount - 1 { Failpoints.reach(.workerUploadLast) }
    }

    private func closeLines(dropUnsent: Bool) {
        control?.close(dropUnsent: dropUnsent)
        bulk?.close(dropUnsent: dropUnsent)
        control = nil
        bulk = nil
        samples = [:]
        weights = nil
    }
}

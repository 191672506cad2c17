import Checksums
import Fleet
import Testing
import Transport

/// What no state machine may ask for, whatever it was told.
struct UnsafeAction: Error, CustomStringConvertible {
    let description: String
}

/// A coordinator with three workers at work, put back as it was now and then.
struct FuzzedCoordinator {
    static let sessions = (1...3).map { SessionID(high: 0xf, low: UInt64($0)) }
    static let strangers = (4...6).map { SessionID(high: 0xf, low: UInt64($0)) }
    static let (weights, gradient, chunk, slots) = (100, 60, 16, 8)

    static func hello(_ number: Int) -> Hello {
        Hello(
            buildVersion: "test", numericClass: "toy", hostName: "host", processID: number, process: SessionID(high: 0xc, low: UInt64(number)), threads: 1)
    }

    static let canary = Canary(readings: ["image 1", "encoder 2"])

    /// What the workers compute, in their order.
    static var blocks: [SlotBlock] { fresh.blocks }
    /// Of four chunks of sevens.
    static let digest = GradientDigest.text(
        of: [16, 16, 16, 12].map { count in [UInt8](repeating: 7, count: count).withUnsafeBytes { CRC32C.checksum($0) } })

    static let corpus: [ControlMessage] =
        [
            .hello(hello(9)), .hello(hello(1)), .canary(canary), .canary(Canary(readings: ["image 1"])), .ready, .heartbeat(phase: .computing, step: 0, slotsDone: 1), .credit(bytes: 16),
            .weightsReceived(step: 0), .samplesNeeded(ids: [1, 2]), .leave(reason: "r"), .fault(exitCode: 70, text: "t"),
            .blockDone(step: 0, block: SlotBlock(level: 2, index: 1), number: 1, digest: "e", bytes: gradient), .helloAgain, .bye(exitCode: 0, text: "t"),
        ] + blocks.map { .blockDone(step: 0, block: $0, number: 1, digest: digest, bytes: gradient) }

    static let headers: [BulkHeader] = sessions.flatMap { session in
        blocks.flatMap { block in
            (0..<4).map { chunk in
                BulkHeader(
                    kind: .gradient, runID: Toy.runID, generation: 1, session: session, step: 0, level: block.level, index: block.index, chunk: chunk,
                    chunkCount: 4, offset: 16 * chunk, payloadBytes: chunk < 3 ? 16 : 12, totalBytes: gradient)
            }
        } + [BulkHeader(kind: .attach, runID: Toy.runID, generation: 1, session: session)]
    }

    private static let fresh: (state: CoordinatorState, now: Instant, blocks: [SlotBlock]) = {
        var configuration = CoordinatorConfiguration(
            runID: Toy.runID, generation: 1, buildVersion: "test", numericClass: "toy", configuration: "toy: true", datasetFingerprint: "toy data",
            sampleCount: 32, weightsBytes: weights, gradientBytes: gradient)
        (configuration.chunkBytes, configuration.creditBytes, configuration.maximumSessions) = (chunk, 128, 16)
        (configuration.canary, configuration.minimumWorkers) = (canary, sessions.count)
        let now = Instant(nanoseconds: 1_000_000_000)
        var state = CoordinatorState(
            configuration: configuration, plan: StepPlan(step: 0, epoch: 0, slots: slots, samplesDigest: "toy"), now: now)
        for (number, session) in sessions.enumerated() {
            let attach = BulkHeader(kind: .attach, runID: Toy.runID, generation: 1, session: session)
            for event in [
                .control(.hello(hello(number)), from: session), .bulk(attach, from: session),
                .control(.canary(canary), from: session), .control(.ready, from: session),
            ] as [CoordinatorState.Event] { _ = state.handle(event, now: now) }
        }
        // All are ready: each gets its share.
        var blocks: [SessionID: SlotBlock] = [:]
        for session in sessions {
            for case .send(.lease(_, let block, _), to: let session) in state.handle(.control(.weightsReceived(step: 0), from: session), now: now) {
                blocks[session] = block
            }
        }
        return (state, now, sessions.compactMap { blocks[$0] })
    }()

    private(set) var state = fresh.state
    private var now = fresh.now
    private var count = 0
    /// Blocks whose bytes were all taken.
    private(set) var merged = 0

    /// What the worker of a session sends of its first block, if all goes well: a chunk, or that it is done.
    static func correct(_ session: SessionID, _ mutator: inout FrameMutator) -> CoordinatorState.Event? {
        guard let place = sessions.firstIndex(of: session) else { return nil }
        let chunk = mutator.below(5)
        guard chunk < 4 else { return .control(.blockDone(step: 0, block: blocks[place], number: 1, digest: digest, bytes: gradient), from: session) }
        var header = headers[place * (blocks.count * 4 + 1) + place * 4 + chunk]
        header.payloadChecksum = [UInt8](repeating: 7, count: header.payloadBytes).withUnsafeBytes { CRC32C.checksum($0) }
        return .bulk(header, from: session)
    }

    /// Mostly a member.
    func session(_ mutator: inout FrameMutator) -> SessionID {
        mutator.pick(mutator.below(8) == 0 ? FuzzedCoordinator.strangers : FuzzedCoordinator.sessions)
    }

    /// Feeds an event, and does what a driver does.
    mutating func take(_ event: CoordinatorState.Event) throws {
        count += 1
        now = now.advanced(by: .milliseconds(3))
        try check(state.handle(count % 32 == 0 ? .tick : event, now: now))
        if count % 32 == 0 { try check(state.handle(event, now: now)) }
        // A state in which much is possible.
        if count % 64 == 0 { startAgain() }
    }

    private mutating func startAgain() { (state, now) = (FuzzedCoordinator.fresh.state, FuzzedCoordinator.fresh.now) }

    private mutating func check(_ actions: [CoordinatorState.Action]) throws {
        for action in actions {
            switch action {
            case .send(let message, _):
                switch message {
                case .refuse, .bye, .welcome: _ = ControlCodec.encode(message)
                default: break
                }
            case .storeChunk(let header, _):
                guard header.offset >= 0, header.payloadBytes <= Self.chunk, header.offset + header.payloadBytes <= Self.gradient else {
                    throw UnsafeAction(description: "\(action)")
                }
            case .mergeBlock: merged += 1
            case .sendWeights(_, _, let bytes, _):
                guard bytes.lowerBound >= 0, bytes.upperBound <= Self.weights else { throw UnsafeAction(description: "\(action)") }
            case .sendSample(let id, _):
                guard (0..<32).contains(id) else { throw UnsafeAction(description: "\(action)") }
            case .report(let event): _ = event.description
            case .finished: startAgain()
            case .finishStep(let step, let blocks):
                guard blocks.flatMap({ Array($0.block.slots) }) == Array(0..<Self.slots) else { throw UnsafeAction(description: "\(action)") }
                try check(
                    state.handle(
                        .stepCommitted(next: StepPlan(step: step + 1, epoch: 0, slots: Self.slots, samplesDigest: "toy")), now: now))
            default: break
            }
        }
        guard state.sessionCount <= 16 else { throw UnsafeAction(description: "\(state.sessionCount) sessions") }
    }

    /// A correct worker that comes now is taken in.
    mutating func expectService() throws {
        let session = SessionID(high: 0xe, low: 1)
        let actions = state.handle(.control(.hello(Self.hello(77)), from: session), now: now)
        let isWelcome = actions.contains { if case .send(.welcome, to: session) = $0 { true } else { false } }
        #expect(isWelcome || state.sessionCount == 16, "\(actions)")
    }
}

/// A worker that computes a block, put back as it was now and then.
struct FuzzedWorker {
    static let address = "tcp://head:1"
    private static let welcome = Welcome(
        runID: Toy.runID, generation: 1, configuration: "toy: true", datasetFingerprint: "toy data", sampleCount: 32, bulkPort: 7701,
        weightsBytes: FuzzedCoordinator.weights, gradientBytes: FuzzedCoordinator.gradient, chunkBytes: 16, creditBytes: 64, heartbeatSeconds: 1,
        livenessSeconds: 10)
    private static let block = SlotBlock(level: 1, index: 0)
    private static let plan = StepPlan(step: 0, epoch: 0, slots: 8, samplesDigest: "toy")

    static let corpus: [ControlMessage] = [
        .welcome(welcome), .plan(StepPlan(step: 1, epoch: 0, slots: 8, values: ["lr": 0.5], samplesDigest: "s")), .lease(step: 0, block: block, number: 1),
        .lease(step: 0, block: SlotBlock(level: 0, index: 5), number: 2), .revoke(step: 0, block: block, number: 1), .coordinatorCredit(bytes: 16), .helloAgain,
        .coordinatorHeartbeat(generation: 1, step: 0), .refuse(exitCode: 78, text: "t"), .bye(exitCode: 0, text: "t"), .ready,
    ]

    static let headers: [BulkHeader] = [0, 1].flatMap { step in (0..<7).map { chunk($0, step: step) } } + [1, 2, 40].map { sample in
        BulkHeader(
            kind: .sample, runID: Toy.runID, generation: 1, session: session, index: sample, chunk: 0, chunkCount: 2, offset: 0, payloadBytes: 16,
            totalBytes: 20)
    }

    private static func chunk(_ number: Int, step: Int) -> BulkHeader {
        BulkHeader(
            kind: .weights, runID: Toy.runID, generation: 1, session: session, step: step, chunk: number, chunkCount: 7, offset: 16 * number,
            payloadBytes: number < 6 ? 16 : 4, totalBytes: FuzzedCoordinator.weights)
    }

    /// Greeting, joined without weights, computing, fetching, uploading.
    private static let states: (all: [WorkerState], session: SessionID) = {
        let now = Instant(nanoseconds: 1_000_000_000)
        var state = WorkerState(hello: FuzzedCoordinator.hello(5), address: address, now: now)
        var session = SessionID(high: 0, low: 0)
        for case .open(let opened) in state.handle(.tick, now: now) { session = opened }
        var all = [state]
        for event in [.control(.welcome(welcome)), .modelReady, .control(.plan(plan))] as [WorkerState.Event] { _ = state.handle(event, now: now) }
        all.append(state)
        for number in 0..<7 {
            var header = BulkHeader(kind: .weights, runID: Toy.runID, generation: 1, session: session)
            (header.chunk, header.chunkCount, header.offset) = (number, 7, 16 * number)
            (header.payloadBytes, header.totalBytes) = (number < 6 ? 16 : 4, FuzzedCoordinator.weights)
            _ = state.handle(.bulk(header), now: now)
        }
        all.append(state)
        _ = state.handle(.control(.lease(step: 0, block: block, number: 1)), now: now)
        var fetching = state
        _ = fetching.handle(.samplesMissing(step: 0, block: block, ids: [1, 2, 3]), now: now)
        all.append(fetching)
        _ = state.handle(.prepared(step: 0, block: block), now: now)
        all.append(state)
        _ = state.handle(.blockComputed(step: 0, block: block, digest: "d", bytes: FuzzedCoordinator.gradient), now: now)
        all.append(state)
        return (all, session)
    }()
    private static var session: SessionID { states.session }

    private var state = states.all[0]
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var current = welcome
    private var left = 0

    /// Feeds an event, and does what a driver does.
    mutating func take(_ event: WorkerState.Event, _ mutator: inout FrameMutator) throws {
        if left == 0 {
            state = mutator.pick(FuzzedWorker.states.all)
            now = Instant(nanoseconds: 1_000_000_000)
            (current, left) = (FuzzedWorker.welcome, 6)
        }
        left -= 1
        now = now.advanced(by: .milliseconds(300))
        try check(state.handle(event, now: now))
    }

    private mutating func check(_ actions: [WorkerState.Action]) throws {
        var followUps: [WorkerState.Event] = []
        for action in actions {
            switch action {
            case .send(let message):
                if case .leave = message { _ = ControlCodec.encode(message) }
            case .openBulk(let port, _):
                guard (1...65535).contains(port) else { throw UnsafeAction(description: "\(action)") }
            case .buildModel(let welcome):
                current = welcome
                followUps.append(.modelReady)
            case .storeWeights(let header):
                guard header.offset >= 0, header.payloadBytes <= current.weightsBytes - header.offset else {
                    throw UnsafeAction(description: "\(action)")
                }
            case .storeSample(let header, _):
                guard header.offset >= 0, header.totalBytes <= 64 << 20, header.payloadBytes <= header.totalBytes - header.offset else {
                    throw UnsafeAction(description: "\(action)")
                }
            case .prepare(let step, let block): followUps.append(.prepared(step: step, block: block))
            case .compute(let step, let block):
                followUps.append(.blockComputed(step: step, block: block, digest: "d", bytes: current.gradientBytes))
            case .sendGradient(let header):
                guard header.offset >= 0, header.payloadBytes <= current.gradientBytes - header.offset else {
                    throw UnsafeAction(description: "\(action)")
                }
            case .report(let event): _ = event.description
            case .finished: left = 0
            default: break
            }
        }
        for event in followUps { try check(state.handle(event, now: now)) }
    }
}

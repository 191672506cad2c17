import Fleet
import Testing

@Suite struct WorkerStateTests {
    static let hello = CoordinatorStateTests.hello()

    static func welcome(generation: UInt64 = 3, configuration: String = "a: 1") -> Welcome {
        Welcome(
            runID: RunID(high: 5, low: 6), generation: generation, configuration: configuration, datasetFingerprint: "data",
            sampleCount: 10, bulkPort: 9, weightsBytes: 8, gradientBytes: 8, chunkBytes: 8, creditBytes: 8, heartbeatSeconds: 1,
            livenessSeconds: 10)
    }

    struct Fed {
        var now = Instant(nanoseconds: 0)
        var state: WorkerState

        init() { state = WorkerState(hello: hello, address: "tcp://head:1", now: now) }

        mutating func feed(_ event: WorkerState.Event, after seconds: Double = 0) -> [WorkerState.Action] {
            now = now.advanced(by: .seconds(seconds))
            return state.handle(event, now: now)
        }

        mutating func say(_ message: ControlMessage) -> [WorkerState.Action] { feed(.control(message)) }
    }

    static func opened(_ actions: [WorkerState.Action]) -> SessionID? {
        for case .open(let session) in actions { return session }
        return nil
    }

    /// The pauses double from 0.2 to 5 seconds, each with up to half of it as jitter, and each session has a new id.
    @Test func pausesGrowAndSessionsDiffer() {
        var fed = Fed()
        var sessions: Set<SessionID> = []
        if let first = Self.opened(fed.feed(.tick)) { sessions.insert(first) }
        var pauses: [Double] = []
        for _ in 0..<8 {
            _ = fed.feed(.disconnected(reason: "refused"))
            var pause = 0.0
            while true {
                pause += 0.01
                if let session = Self.opened(fed.feed(.tick, after: 0.01)) {
                    sessions.insert(session)
                    break
                }
            }
            pauses.append(pause)
        }
        #expect(sessions.count == 9)
        for (number, pause) in pauses.enumerated() {
            let longest = min(5, 0.2 * Double(1 << number))
            #expect(pause >= longest / 2 - 0.01 && pause <= longest + 0.02, "\(pauses)")
        }
    }

    @Test func theModelOutlivesTheCoordinator() {
        var fed = Fed()
        _ = fed.feed(.tick)
        #expect(fed.say(.welcome(Self.welcome())).contains(.buildModel(Self.welcome())))
        #expect(fed.feed(.modelReady) == [.send(.ready)])
        _ = fed.feed(.disconnected(reason: "gone"))
        _ = fed.feed(.tick, after: 1)
        let again = fed.say(.welcome(Self.welcome(generation: 4)))
        #expect(again.last == .send(.ready))
        // An outdated coordinator is not followed.
        _ = fed.feed(.disconnected(reason: "gone"))
        _ = fed.feed(.tick, after: 1)
        #expect(fed.say(.welcome(Self.welcome(generation: 3))).contains(.close(dropUnsent: true)))
        // Another configuration needs another model.
        _ = fed.feed(.tick, after: 1)
        let other = Self.welcome(generation: 5, configuration: "a: 2")
        #expect(fed.say(.welcome(other)).contains(.buildModel(other)))
    }

    @Test func silenceAndOrphanhoodEnd() {
        var fed = Fed()
        _ = fed.feed(.tick)
        _ = fed.say(.welcome(Self.welcome()))
        _ = fed.feed(.modelReady)
        for _ in 0..<10 { #expect(!fed.feed(.tick, after: 1).contains(.close(dropUnsent: true))) }
        #expect(fed.feed(.tick, after: 0.5).contains(.close(dropUnsent: true)))
        var exit: FleetExit?
        for _ in 0..<2000 {
            for case .finished(let end) in fed.feed(.tick, after: 1) { exit = end }
            if exit == nil { _ = fed.feed(.disconnected(reason: "refused")) }
        }
        #expect(exit?.exitCode == 69)
        #expect(exit?.text == "no coordinator at tcp://head:1 for 1800 s; check that it runs and that its port can be reached")
    }

    @Test func aNewerStepMakesTheOldOneStale() {
        var fed = Fed()
        _ = fed.feed(.tick)
        _ = fed.say(.welcome(Self.welcome()))
        _ = fed.feed(.modelReady)
        let session = SessionID.derived(from: Self.hello.process, attempt: 0)
        func weights(_ step: Int) -> WorkerState.Event {
            .bulk(
                BulkHeader(
                    kind: .weights, runID: Self.welcome().runID, generation: 3, session: session, step: step, chunkCount: 1,
                    payloadBytes: 8, totalBytes: 8))
        }
        let slot = SlotBlock(level: 0, index: 1)
        #expect(fed.say(.plan(Toy.plan(step: 4, slots: 2))) == [.checkPlan(Toy.plan(step: 4, slots: 2))])
        #expect(fed.feed(weights(4)).contains(.send(.weightsReceived(step: 4))))
        #expect(fed.say(.lease(step: 4, block: slot, number: 1)).contains(.prepare(step: 4, block: slot)))
        #expect(
            fed.feed(.prepared(step: 4, block: slot)) == [
                .compute(step: 4, block: slot), .send(.heartbeat(phase: .computing, step: 4, slotsDone: 0)),
            ])
        #expect(fed.feed(.progress(step: 4, block: slot, slotsDone: 1)) == [])
        #expect(fed.say(.plan(Toy.plan(step: 5, slots: 2))).contains(.cancel))
        #expect(fed.feed(.blockComputed(step: 4, block: slot, digest: "d", bytes: 8)) == [.releaseGradient(slot)])
        // Work goes on with the new step.
        _ = fed.feed(weights(5))
        _ = fed.say(.lease(step: 5, block: slot, number: 2))
        _ = fed.feed(.prepared(step: 5, block: slot))
        let done = fed.feed(.blockComputed(step: 5, block: slot, digest: "e", bytes: 8))
        #expect(done.contains(.send(.blockDone(step: 5, block: slot, number: 2, digest: "e", bytes: 8))))
        #expect(done.contains { if case .sendGradient(let header) = $0 { header.step == 5 && header.index == 1 } else { false } })
        #expect(done.last == .releaseGradient(slot))
    }

    /// While a gradient waits for credit the next block is computed; its gradient follows, and a lease that arrives twice begins nothing.
    @Test func theNextBlockIsComputedDuringTheUpload() {
        var fed = Fed()
        _ = fed.feed(.tick)
        _ = fed.say(.welcome(Self.welcome()))
        _ = fed.feed(.modelReady)
        let session = SessionID.derived(from: Self.hello.process, attempt: 0)
        _ = fed.say(.plan(Toy.plan(step: 0, slots: 4)))
        _ = fed.feed(
            .bulk(
                BulkHeader(
                    kind: .weights, runID: Self.welcome().runID, generation: 3, session: session, step: 0, chunkCount: 1, payloadBytes: 8,
                    totalBytes: 8)))
        func sent(_ actions: [WorkerState.Action]) -> [Int] {
            actions.compactMap { if case .sendGradient(let header) = $0 { header.index } else { nil } }
        }
        var uploads: [[Int]] = []
        for index in 0..<3 {
            let slot = SlotBlock(level: 0, index: index)
            #expect(fed.say(.lease(step: 0, block: slot, number: index + 1)).contains(.prepare(step: 0, block: slot)))
            _ = fed.feed(.prepared(step: 0, block: slot))
            let done = fed.feed(.blockComputed(step: 0, block: slot, digest: "\(index)", bytes: 8))
            #expect(done.contains(.send(.blockDone(step: 0, block: slot, number: index + 1, digest: "\(index)", bytes: 8))))
            uploads.append(sent(done))
        }
        // Credit for one gradient: the second is on its way, the third waits, and a fourth block is too much.
        #expect(uploads == [[0], [], []])
        #expect(!fed.say(.lease(step: 0, block: SlotBlock(level: 0, index: 3), number: 4)).contains(.prepare(step: 0, block: SlotBlock(level: 0, index: 3))))
        #expect(sent(fed.say(.coordinatorCredit(bytes: 8))) == [1])
        // Revoked before it left; the second time nothing is left of it.
        let third = SlotBlock(level: 0, index: 2)
        #expect(fed.say(.revoke(step: 0, block: third, number: 3)).contains(.releaseGradient(third)))
        #expect(fed.say(.revoke(step: 0, block: third, number: 3)) == [])
        #expect(sent(fed.say(.coordinatorCredit(bytes: 8))) == [])
        let last = SlotBlock(level: 0, index: 3)
        #expect(fed.say(.lease(step: 0, block: last, number: 4)).contains(.prepare(step: 0, block: last)))
        #expect(!fed.say(.lease(step: 0, block: last, number: 4)).contains(.prepare(step: 0, block: last)))
        // The same block once more, to compare: what revoked an older lease does not end this one.
        #expect(fed.say(.revoke(step: 0, block: last, number: 4)).contains { if case .report(.cancelled) = $0 { true } else { false } })
        #expect(fed.say(.lease(step: 0, block: last, number: 5)).contains(.prepare(step: 0, block: last)))
        #expect(fed.say(.revoke(step: 0, block: last, number: 4)) == [])
    }

    @Test func anotherPlanIsAConfigurationError() {
        var fed = Fed()
        _ = fed.feed(.tick)
        _ = fed.say(.welcome(Self.welcome()))
        _ = fed.feed(.modelReady)
        let end = fed.feed(.planRefused(text: "keptTokens 144.0 and 121.0"))
        #expect(end.first == .send(.fault(exitCode: 78, text: "keptTokens 144.0 and 121.0")))
        #expect(end.last == .finished(FleetExit(exitCode: 78, text: "keptTokens 144.0 and 121.0")))
        var plan = Toy.plan(step: 1, slots: 4)
        plan.values["keptTokens"] = 121
        #expect(plan.difference(from: Toy.plan(step: 1, slots: 4)) == "keptTokens 121.0 and none")
        #expect(plan.difference(from: plan) == nil)
    }
}

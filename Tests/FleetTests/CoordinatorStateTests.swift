import Fleet
import Testing

/// A coordinator fed by hand: what it answers, and what it does not let in.
@Suite struct CoordinatorStateTests {
    static let session = SessionID(high: 1, low: 1)
    /// Of a gradient in two chunks, both with checksum 0.
    static let digest = "a706dd2f4d197e6f5e41ab087439611e"
    static let start = Instant(nanoseconds: 1_000_000_000)

    static var configuration: CoordinatorConfiguration {
        var configuration = CoordinatorConfiguration(
            runID: RunID(high: 5, low: 6), generation: 3, buildVersion: "1.0", numericClass: "haswell", configuration: "a: 1",
            datasetFingerprint: "data", sampleCount: 10, weightsBytes: 20, gradientBytes: 12)
        configuration.chunkBytes = 8
        configuration.creditBytes = 16
        return configuration
    }

    static func hello(_ change: (inout Hello) -> Void = { _ in }) -> Hello {
        var hello = Hello(
            buildVersion: "1.0", numericClass: "haswell", hostName: "node", processID: 7, process: SessionID(high: 2, low: 2), threads: 4)
        change(&hello)
        return hello
    }

    struct Fed {
        var state: CoordinatorState
        var now = CoordinatorStateTests.start

        init(slots: Int = 1, auditShare: Double = 0) {
            var configuration = CoordinatorStateTests.configuration
            configuration.auditShare = auditShare
            state = CoordinatorState(
                configuration: configuration, plan: Toy.plan(step: 0, slots: slots), now: CoordinatorStateTests.start)
        }

        mutating func feed(_ event: CoordinatorState.Event, after seconds: Double = 0) -> [CoordinatorState.Action] {
            now = now.advanced(by: .seconds(seconds))
            return state.handle(event, now: now)
        }

        mutating func say(_ message: ControlMessage) -> [CoordinatorState.Action] { feed(.control(message, from: session)) }
        mutating func bulk(_ change: (inout BulkHeader) -> Void) -> [CoordinatorState.Action] {
            var header = BulkHeader(kind: .attach, runID: configuration.runID, generation: 3, session: session)
            change(&header)
            return feed(.bulk(header, from: session))
        }

        /// A worker that has the weights of step 0 and computes slot 0.
        static func atWork(slots: Int = 1, auditShare: Double = 0) -> Fed {
            var fed = Fed(slots: slots, auditShare: auditShare)
            if slots > 1 {
                // Another worker, so that not all slots go to the first.
                let other = SessionID(high: 3, low: 3)
                _ = fed.feed(.control(.hello(hello { $0.process = other }), from: other))
                _ = fed.feed(.control(.ready, from: other))
            }
            _ = fed.say(.hello(hello()))
            _ = fed.bulk { _ in }
            _ = fed.say(.ready)
            _ = fed.say(.credit(bytes: 8))
            _ = fed.say(.weightsReceived(step: 0))
            return fed
        }

        /// Takes heartbeats and progress for so long that no deadline passes.
        mutating func tick(seconds: Int) {
            for _ in 0..<seconds {
                _ = say(.heartbeat(phase: .computing, step: 0, slotsDone: 0))
                _ = feed(.tick, after: 1)
            }
        }
    }

    static func reason(_ actions: [CoordinatorState.Action]) -> String? {
        for case .report(.dropped(_, let reason)) in actions { return reason }
        return nil
    }

    @Test func aWorkerIsTakenInAndFedWithinItsCredit() {
        var fed = Fed()
        let greeting = fed.say(.hello(Self.hello()))
        #expect(greeting.first == .report(.joined(Self.session, name: "node:7", threads: 4)))
        guard case .send(.welcome(let welcome), Self.session) = greeting.last else { return #expect(Bool(false), "\(greeting)") }
        #expect(welcome.generation == 3 && welcome.weightsBytes == 20 && welcome.creditBytes == 16 && welcome.livenessSeconds == 10)
        #expect(fed.bulk { _ in } == [])
        // Three chunks of 8, 8 and 4 bytes; 16 bytes of credit.
        #expect(
            fed.say(.ready) == [
                .report(.stepStarted(step: 0, workers: 1)), .send(.plan(Toy.plan(step: 0, slots: 1)), to: Self.session),
                .sendWeights(step: 0, chunk: 0, bytes: 0..<8, to: Self.session),
                .sendWeights(step: 0, chunk: 1, bytes: 8..<16, to: Self.session),
            ])
        #expect(Self.reason(fed.say(.weightsReceived(step: 0))) == "weights received before all were sent")
        #expect(fed.say(.credit(bytes: 8)) == [.sendWeights(step: 0, chunk: 2, bytes: 16..<20, to: Self.session)])
        let slot = SlotBlock(level: 0, index: 0)
        #expect(
            fed.say(.weightsReceived(step: 0)) == [
                .report(.leased(Self.session, step: 0, block: slot)), .send(.lease(step: 0, block: slot, number: 1), to: Self.session),
            ])
    }

    /// Digest and bytes come on different sockets, in either order.
    @Test(arguments: [false, true]) func aBlockIsMergedOnceDigestAndBytesAreThere(digestFirst: Bool) {
        var fed = Fed.atWork(slots: 2)
        let slot = SlotBlock(level: 0, index: 0)
        func gradient(_ chunk: Int) -> [CoordinatorState.Action] {
            fed.bulk {
                $0.kind = .gradient
                $0.chunk = chunk
                $0.chunkCount = 2
                $0.offset = 8 * chunk
                $0.payloadBytes = chunk == 0 ? 8 : 4
                $0.totalBytes = 12
            }
        }
        let done = ControlMessage.blockDone(step: 0, block: slot, number: 1, digest: Self.digest, bytes: 12)
        // With the digest here, the next block can be computed while the gradient is on its way.
        let next = CoordinatorState.Action.send(.lease(step: 0, block: slot.sibling, number: 2), to: Self.session)
        if digestFirst { #expect(fed.say(done).last == next) }
        let first = gradient(0)
        #expect(first.contains(.send(.coordinatorCredit(bytes: 8), to: Self.session)) && first.count == 2)
        #expect(Self.reason(gradient(0)) == "chunk 0 of slot 0 once more")
        let second = gradient(1)
        let last = digestFirst ? second : fed.say(done)
        #expect(last.contains(.mergeBlock(step: 0, block: slot, from: Self.session)))
        #expect(last.contains(next) != digestFirst)
        #expect(Self.reason(fed.say(done)) == "slot 0 done once more")
    }

    /// What arrived is not what was announced: nothing is merged, the session ends, the block is free again.
    @Test(arguments: [false, true]) func aGradientThatIsNotTheAnnouncedOneEndsTheSession(digestFirst: Bool) {
        var fed = Fed.atWork()
        let slot = SlotBlock(level: 0, index: 0)
        let done = ControlMessage.blockDone(step: 0, block: slot, number: 1, digest: Self.digest, bytes: 12)
        if digestFirst { _ = fed.say(done) }
        var last: [CoordinatorState.Action] = []
        for chunk in 0..<2 {
            last = fed.bulk {
                ($0.kind, $0.chunk, $0.chunkCount) = (.gradient, chunk, 2)
                ($0.offset, $0.payloadBytes, $0.totalBytes) = (8 * chunk, chunk == 0 ? 8 : 4, 12)
                $0.payloadChecksum = UInt32(chunk)
            }
        }
        if !digestFirst { last = fed.say(done) }
        #expect(last.contains(.send(.helloAgain, to: Self.session)))
        #expect(last.contains(.discardBlock(from: Self.session)) && last.contains(.closeSession(Self.session)))
        #expect(!last.contains { if case .mergeBlock = $0 { true } else { false } })
        #expect(fed.state.sessionCount == 0)
        // Another worker gets it.
        let other = SessionID(high: 1, low: 2)
        func say(_ message: ControlMessage) -> [CoordinatorState.Action] { fed.feed(.control(message, from: other)) }
        _ = say(.hello(Self.hello { $0.process = other }))
        _ = fed.feed(.bulk(BulkHeader(kind: .attach, runID: Self.configuration.runID, generation: 3, session: other), from: other))
        _ = say(.ready)
        _ = say(.credit(bytes: 8))
        #expect(say(.weightsReceived(step: 0)).contains(.send(.lease(step: 0, block: slot, number: 1), to: other)))
    }

    /// By the formula of docs/protocol.md, computed with Python.
    @Test func digestsOfGradientsAreThoseOfTheDocument() {
        #expect(GradientDigest.text(of: [0, 0]) == Self.digest)
        #expect(GradientDigest.text(of: [0xE306_9283, 0x8A91_36AA, 7]) == "b1fd8766ccff3abb2f2d20743d5cf765")
        #expect(GradientDigest.text(of: [0x8A91_36AA, 0xE306_9283, 7]) != "b1fd8766ccff3abb2f2d20743d5cf765")
    }

    @Test func whoCannotTakePartIsToldWhyAndHow() {
        let cases: [((inout Hello) -> Void, String)] = [
            ({ $0.protocolVersion = 2 }, "worker node:7 speaks protocol 2, the coordinator 1; install the same release on both"),
            ({ $0.buildVersion = "0.9" }, "worker node:7 is build 0.9, the coordinator 1.0; install the same build on both"),
            (
                { $0.numericClass = "zen" },
                "worker node:7 has numeric class zen, the run haswell; install the same build and libraries everywhere"
            ),
            (
                { $0.datasetFingerprint = "old" },
                """
                the dataset of worker node:7 has fingerprint old, the run's data; \
                copy the dataset again, or start the worker without --data
                """
            ),
        ]
        for (change, text) in cases {
            var fed = Fed()
            #expect(
                fed.say(.hello(Self.hello(change))) == [
                    .report(.refused(Self.session, text: text)), .send(.refuse(exitCode: 78, text: text), to: Self.session),
                ])
            #expect(fed.state.sessionCount == 0)
        }
    }

    /// Everything that does not fit is dropped with its reason, and changes nothing.
    @Test func whatDoesNotFitIsDropped() {
        let slot = SlotBlock(level: 0, index: 0)
        let gradient: (inout BulkHeader) -> Void = {
            $0.kind = .gradient
            $0.chunkCount = 2
            $0.payloadBytes = 8
            $0.totalBytes = 12
        }
        func changed(_ change: @escaping (inout BulkHeader) -> Void) -> (inout BulkHeader) -> Void {
            {
                gradient(&$0)
                change(&$0)
            }
        }
        let headers: [((inout BulkHeader) -> Void, String)] = [
            (changed { $0.runID = RunID(high: 0, low: 1) }, "gradient of run 00000000, generation 3, session 00000000"),
            (changed { $0.generation = 2 }, "gradient of run 00000000, generation 2, session 00000000"),
            (changed { $0.session = SessionID(high: 9, low: 9) }, "gradient of run 00000000, generation 3, session 00000000"),
            (changed { $0.step = 1 }, "gradient of step 1, but step 0 is in progress"),
            (changed { $0.index = 1 }, "gradient of level 0, index 1, which is not leased to the worker"),
            (changed { $0.level = 77 }, "gradient of level 77, index 0, which is not leased to the worker"),
            (changed { $0.chunk = 2 }, "gradient of slot 0 with chunk 2 of 2"),
            (changed { $0.chunk = 1 }, "gradient of slot 0 with 8 bytes at 0 instead of 4 at 8"),
            (changed { $0.offset = 4 }, "gradient of slot 0 with 8 bytes at 4 instead of 8 at 0"),
            (changed { $0.totalBytes = 1 << 40 }, "gradient of slot 0 with 1099511627776 bytes in all instead of 12"),
            (changed { $0.payloadBytes = 9 }, "a gradient chunk of 9 bytes"),
            (changed { $0.kind = .weights }, "weights, which only a coordinator may send"),
        ]
        var fed = Fed.atWork()
        for (change, reason) in headers {
            let actions = fed.bulk(change)
            #expect(Self.reason(actions) == reason)
            #expect(!actions.contains { if case .storeChunk = $0 { true } else { false } })
        }
        let messages: [(ControlMessage, String)] = [
            (.blockDone(step: 1, block: slot, number: 1, digest: "d", bytes: 12), "slot 0 of step 1, but step 0 is in progress"),
            (.blockDone(step: 0, block: slot.sibling, number: 1, digest: "d", bytes: 12), "slot 1, which is not leased to the worker"),
            (.blockDone(step: 0, block: slot, number: 1, digest: "d", bytes: 13), "slot 0 with 13 bytes of gradient instead of 12"),
            (.samplesNeeded(ids: [10]), "samples [10] of 10"), (.credit(bytes: -1), "a credit of -1 bytes"),
            (.weightsReceived(step: 7), "weights of step 7 received, but step 0 is in progress"),
            (.bye(exitCode: 0, text: ""), "'bye', which only a coordinator may say"),
        ]
        for (message, reason) in messages { #expect(Self.reason(fed.say(message)) == reason) }
        let stranger = SessionID(high: 8, low: 8)
        #expect(fed.feed(.control(.ready, from: stranger)).contains(.send(.helloAgain, to: stranger)))
        #expect(fed.state.sessionCount == 1)
        // The session still works.
        #expect(fed.bulk(gradient).contains { if case .storeChunk = $0 { true } else { false } })
    }

    @Test func aSilentWorkerIsLostAfterTheDeadline() {
        var fed = Fed.atWork()
        fed.tick(seconds: 30)
        #expect(fed.state.sessionCount == 1)
        // Heard 1 s ago. It is given up at the last look within the deadline, not at the first one after it.
        for _ in 0..<8 { #expect(!fed.feed(.tick, after: 1).contains(.closeSession(Self.session))) }
        #expect(!fed.feed(.tick, after: 0.7).contains(.closeSession(Self.session)))
        let actions = fed.feed(.tick, after: 0.2)
        #expect(
            actions.contains(
                .report(.lost(Self.session, name: "node:7", reason: "silent for 10 s", block: SlotBlock(level: 0, index: 0)))))
        #expect(actions.contains(.closeSession(Self.session)))
    }

    /// A coordinator that never has a quiet moment still wants its ticks, which carry its heartbeats.
    @Test func messagesDoNotPutTheTickOff() {
        var fed = Fed.atWork()
        var heartbeats = 0
        for _ in 0..<40 {
            _ = fed.feed(.control(.heartbeat(phase: .computing, step: 0, slotsDone: 0), from: Self.session), after: 0.1)
            guard fed.now >= fed.state.nextTick else { continue }
            let actions = fed.feed(.tick)
            #expect(fed.state.nextTick > fed.now)
            if actions.contains(.send(.coordinatorHeartbeat(generation: 3, step: 0), to: Self.session)) { heartbeats += 1 }
        }
        #expect(heartbeats >= 3)
    }

    /// A worker that fetches its samples over a slow line for longer than the deadline makes progress.
    @Test func fetchingSamplesIsProgress() {
        var fed = Fed.atWork()
        // It has a predicted block time now, and with it a deadline.
        for chunk in 0..<2 {
            _ = fed.bulk {
                ($0.kind, $0.chunk, $0.chunkCount) = (.gradient, chunk, 2)
                ($0.offset, $0.payloadBytes, $0.totalBytes) = (8 * chunk, chunk == 0 ? 8 : 4, 12)
            }
        }
        _ = fed.say(.blockDone(step: 0, block: SlotBlock(level: 0, index: 0), number: 1, digest: Self.digest, bytes: 12))
        _ = fed.feed(.stepCommitted(next: Toy.plan(step: 1, slots: 1)))
        for _ in 0..<3 { _ = fed.say(.credit(bytes: 16)) }
        let lease = CoordinatorState.Action.send(.lease(step: 1, block: SlotBlock(level: 0, index: 0), number: 2), to: Self.session)
        #expect(fed.say(.weightsReceived(step: 1)).contains(lease))
        for _ in 0..<3 {
            fed.tick(seconds: 8)
            #expect(fed.say(.samplesNeeded(ids: [3])).contains(.sendSample(id: 3, to: Self.session)))
        }
        #expect(fed.state.sessionCount == 1)
        fed.tick(seconds: 12)
        #expect(fed.state.sessionCount == 0)
    }

    /// A computation that says nothing for an hour hangs, even if nobody knows how long a block takes; before, it may be a slow slot.
    @Test func aWorkerThatHangsInTheFirstBlockIsGivenUp() {
        var fed = Fed.atWork()
        fed.tick(seconds: 3599)
        #expect(fed.state.sessionCount == 1)
        fed.tick(seconds: 3)
        #expect(fed.state.sessionCount == 0)
    }

    /// Time in which the coordinator itself did not run is not held against the workers.
    @Test func aPauseOfTheCoordinatorLosesNobody() {
        var fed = Fed.atWork()
        fed.tick(seconds: 2)
        #expect(!fed.feed(.tick, after: 300).contains(.closeSession(Self.session)))
        #expect(fed.state.sessionCount == 1)
    }

    @Test func nobodyComesInTime() {
        var fed = Fed()
        #expect(fed.feed(.tick, after: 600) == [])
        #expect(
            fed.feed(.tick, after: 1) == [
                .finished(
                    FleetExit(
                        exitCode: 69,
                        text: "0 of 1 workers were ready within 600 s; start workers with --connect to this address"))
            ])
        #expect(fed.feed(.tick, after: 1) == [], "nothing follows the end")
    }

    /// The end waits until every worker has heard of it, but not for ever, and whoever comes now hears of it at once.
    @Test(arguments: [false, true]) func everybodyIsToldOfTheEnd(answers: Bool) {
        var fed = Fed.atWork()
        let exit = FleetExit(exitCode: 75, text: "preempted")
        #expect(
            fed.feed(.stop(exitCode: 75, text: "preempted")) == [.send(.bye(exitCode: 75, text: "preempted"), to: Self.session)])
        let late = SessionID(high: 7, low: 7)
        #expect(
            fed.feed(.control(.hello(Self.hello()), from: late)) == [.send(.bye(exitCode: 75, text: "preempted"), to: late)])
        #expect(fed.say(.heartbeat(phase: .computing, step: 0, slotsDone: 0)) == [])
        if answers {
            #expect(fed.say(.leave(reason: "preempted")) == [.closeSession(Self.session), .finished(exit)])
        } else {
            #expect(fed.feed(.tick, after: 1.5) == [])
            #expect(fed.feed(.tick, after: 1) == [.closeSession(Self.session), .finished(exit)])
        }
        #expect(fed.feed(.tick, after: 1) == [], "nothing follows the end")
    }

    @Test func aReconnectedWorkerReplacesItsOldSession() {
        var fed = Fed.atWork()
        let next = SessionID(high: 1, low: 2)
        let actions = fed.feed(.control(.hello(Self.hello()), from: next))
        #expect(actions.contains(.closeSession(Self.session)))
        #expect(fed.state.sessionCount == 1)
        #expect(fed.feed(.unreachable(next)).contains(.closeSession(next)))
    }
}

import Fleet
import Testing

/// Who is given what by a coordinator that is fed by hand, when workers are silent, vanish, or repeat themselves.
@Suite struct LeasingTests {
    /// A worker of which nothing was heard for three heartbeats keeps what it has, but is given no more until it says something.
    @Test func aSilentWorkerIsGivenNothing() {
        var fed = CoordinatorStateTests.Fed()
        let silent = SessionID(high: 4, low: 4)
        for session in [silent, CoordinatorStateTests.session] {
            func say(_ message: ControlMessage) { _ = fed.feed(.control(message, from: session)) }
            say(.hello(CoordinatorStateTests.hello { $0.process = session }))
            _ = fed.feed(.bulk(BulkHeader(kind: .attach, runID: CoordinatorStateTests.configuration.runID, generation: 3, session: session), from: session))
            say(.ready)
            say(.credit(bytes: 8))
        }
        func leases(_ actions: [CoordinatorState.Action]) -> [SessionID] {
            actions.compactMap { if case .report(.leased(let session, _, _)) = $0 { session } else { nil } }
        }
        // The only slot goes to the other one; then that goes away.
        #expect(leases(fed.say(.weightsReceived(step: 0))) == [CoordinatorStateTests.session])
        #expect(leases(fed.feed(.control(.weightsReceived(step: 0), from: silent))) == [])
        fed.tick(seconds: 4)
        #expect(leases(fed.say(.leave(reason: "told to stop"))) == [])
        #expect(fed.state.sessionCount == 1)
        #expect(leases(fed.feed(.control(.heartbeat(phase: .waiting, step: 0, slotsDone: 0), from: silent))) == [silent])
    }

    /// A slot over which a worker vanished waits for the worker that has been here longest, though another one is idle.
    @Test func aSuspectSlotGoesToTheOldestWorker() {
        var fed = CoordinatorStateTests.Fed.atWork()
        let (oldest, victim, newest) = (CoordinatorStateTests.session, SessionID(high: 5, low: 1), SessionID(high: 5, low: 2))
        func leases(_ actions: [CoordinatorState.Action]) -> [SessionID] {
            actions.compactMap { if case .report(.leased(let session, _, _)) = $0 { session } else { nil } }
        }
        func done(step: Int, number: Int) -> ControlMessage {
            .blockDone(step: step, block: SlotBlock(level: 0, index: 0), number: number, digest: CoordinatorStateTests.digest, bytes: 12)
        }
        // It has a part in step 0.
        _ = fed.say(done(step: 0, number: 1))
        for chunk in 0..<2 {
            _ = fed.bulk {
                ($0.kind, $0.chunk, $0.chunkCount) = (.gradient, chunk, 2)
                ($0.offset, $0.payloadBytes, $0.totalBytes) = (8 * chunk, chunk == 0 ? 8 : 4, 12)
            }
        }
        for session in [victim, newest] {
            _ = fed.feed(.control(.hello(CoordinatorStateTests.hello { $0.process = session }), from: session))
            _ = fed.feed(.bulk(BulkHeader(kind: .attach, runID: CoordinatorStateTests.configuration.runID, generation: 3, session: session), from: session))
            _ = fed.feed(.control(.ready, from: session))
        }
        _ = fed.feed(.stepCommitted(next: Toy.plan(step: 1, slots: 2)))
        for session in [oldest, victim, newest] { for _ in 0..<3 { _ = fed.feed(.control(.credit(bytes: 16), from: session)) } }
        var given: [SessionID] = []
        for session in [oldest, victim] { given += leases(fed.feed(.control(.weightsReceived(step: 1), from: session))) }
        #expect(given == [oldest, victim])
        _ = fed.feed(.control(.heartbeat(phase: .computing, step: 1, slotsDone: 0), from: victim))
        #expect(leases(fed.feed(.unreachableTogether([victim]))) == [])
        #expect(leases(fed.feed(.control(.weightsReceived(step: 1), from: newest))) == [])
        #expect(leases(fed.say(done(step: 1, number: 2))) == [oldest])
    }

    /// A machine with more workers than `poisonLosses` goes: the block that one of them had does not pass through the others, and the run goes on.
    @Test func aMachineWithManyWorkersIsNoPoison() {
        var fed = CoordinatorStateTests.Fed.atWork()
        let machine = [CoordinatorStateTests.session] + (2..<10).map { SessionID(high: 1, low: $0) }
        for session in machine.dropFirst() {
            _ = fed.feed(.control(.hello(CoordinatorStateTests.hello { $0.process = session }), from: session))
            _ = fed.feed(.bulk(BulkHeader(kind: .attach, runID: CoordinatorStateTests.configuration.runID, generation: 3, session: session), from: session))
            _ = fed.feed(.control(.ready, from: session))
            _ = fed.feed(.control(.credit(bytes: 8), from: session))
            _ = fed.feed(.control(.weightsReceived(step: 0), from: session))
        }
        let actions = fed.feed(.unreachableTogether(machine))
        #expect(fed.state.sessionCount == 0)
        #expect(!actions.contains { if case .report(.leased) = $0 { true } else { false } })
        #expect(!actions.contains { if case .report(.poisonBlock) = $0 { true } else { false } })
    }

    /// A worker alone computes its block a second time, to compare: the first announcement, arriving twice, is not the second result.
    @Test func aResultIsThatOfItsLease() {
        var fed = CoordinatorStateTests.Fed.atWork(auditShare: 1)
        let slot = SlotBlock(level: 0, index: 0)
        func done(_ number: Int) -> ControlMessage { .blockDone(step: 0, block: slot, number: number, digest: CoordinatorStateTests.digest, bytes: 12) }
        _ = fed.say(done(1))
        var last: [CoordinatorState.Action] = []
        for chunk in 0..<2 {
            last = fed.bulk {
                ($0.kind, $0.chunk, $0.chunkCount) = (.gradient, chunk, 2)
                ($0.offset, $0.payloadBytes, $0.totalBytes) = (8 * chunk, chunk == 0 ? 8 : 4, 12)
            }
        }
        #expect(last.contains(.mergeBlock(step: 0, block: slot, from: CoordinatorStateTests.session)))
        #expect(last.contains(.send(.lease(step: 0, block: slot, number: 2), to: CoordinatorStateTests.session)))
        func finishes(_ actions: [CoordinatorState.Action]) -> Bool { actions.contains { if case .finishStep = $0 { true } else { false } } }
        let again = fed.say(done(1))
        #expect(CoordinatorStateTests.reason(again) == "slot 0 done once more" && !finishes(again))
        #expect(finishes(fed.say(done(2))))
    }
}

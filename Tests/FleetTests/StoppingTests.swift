import Fleet
import Testing

/// A request to stop with a deadline: the step at hand is finished if that is to be expected, and dropped otherwise.
@Suite struct StoppingTests {
    typealias Fed = CoordinatorStateTests.Fed

    static let exit = FleetExit(exitCode: 75, text: "stopped")
    static let bye = CoordinatorState.Action.send(.bye(exitCode: 75, text: "stopped"), to: CoordinatorStateTests.session)

    static func isFinish(_ actions: [CoordinatorState.Action]) -> Bool {
        actions.contains { if case .finishStep = $0 { true } else { false } }
    }

    /// Step 0 took 4 s; step 1 is in progress, of twice the cost, so 8 s are to be expected.
    static func inSecondStep() -> Fed {
        var fed = Fed.atWork()
        _ = fed.compute(step: 0, seconds: 4)
        _ = fed.feed(.stepCommitted(next: Toy.plan(step: 1, slots: 1)))
        _ = fed.say(.credit(bytes: 16))
        _ = fed.say(.credit(bytes: 16))
        _ = fed.say(.weightsReceived(step: 1))
        return fed
    }

    @Test func aStepThatFitsIsFinishedAndNoOtherBegins() {
        var fed = Self.inSecondStep()
        #expect(fed.stop(within: 8.5) == [])
        #expect(Self.isFinish(fed.compute(step: 1, seconds: 7)))
        #expect(fed.feed(.stepCommitted(next: Toy.plan(step: 2, slots: 1))) == [Self.bye])
        #expect(fed.say(.leave(reason: "stopped")) == [.closeSession(CoordinatorStateTests.session), .finished(Self.exit)])
    }

    @Test func aStepThatDoesNotFitIsDroppedAtOnce() {
        var fed = Self.inSecondStep()
        #expect(fed.stop(within: 7.5) == [Self.bye])
        fed = Self.inSecondStep()
        fed.tick(seconds: 5)
        #expect(fed.stop(within: 3.5) == [], "5 of 8 s are over")
    }

    /// Nothing is known of a first step's time.
    @Test func theFirstStepIsDropped() {
        var fed = Fed.atWork()
        #expect(fed.stop(within: 1000) == [Self.bye])
        fed = Fed()
        #expect(fed.stop(within: 1000) == [.finished(Self.exit)], "nobody is there")
    }

    @Test func theDeadlineDropsAStepThatTakesLonger() {
        var fed = Self.inSecondStep()
        #expect(fed.stop(within: 9) == [])
        fed.tick(seconds: 8)
        #expect(fed.state.sessionCount == 1)
        #expect(fed.feed(.tick, after: 1).contains(Self.bye))
    }

    @Test func nobodyIsLeftToFinishTheStep() {
        var fed = Self.inSecondStep()
        #expect(fed.stop(within: 9) == [])
        #expect(fed.say(.leave(reason: "asked to stop")).last == .finished(Self.exit))
    }

    /// What is being committed is committed, however long it takes.
    @Test func aStepThatIsBeingCommittedIsWaitedFor() {
        var fed = Self.inSecondStep()
        #expect(Self.isFinish(fed.compute(step: 1, seconds: 7)))
        #expect(fed.stop(within: 0) == [])
        #expect(!fed.feed(.tick, after: 5).contains(Self.bye))
        #expect(fed.feed(.stepCommitted(next: Toy.plan(step: 2, slots: 1))) == [Self.bye])
    }

    /// The last step's commit ends the run as done, and a second request to stop at once.
    @Test func otherEndsComeFirst() {
        var fed = Self.inSecondStep()
        #expect(fed.stop(within: 9) == [])
        #expect(fed.stop(within: 0) == [], "one deadline")
        #expect(Self.isFinish(fed.compute(step: 1, seconds: 7)))
        #expect(
            fed.feed(.stepCommitted(next: nil)) == [.send(.bye(exitCode: 0, text: "training complete"), to: CoordinatorStateTests.session)])
        fed = Self.inSecondStep()
        #expect(fed.stop(within: 9) == [])
        #expect(fed.feed(.stop(exitCode: 75, text: "stopped")) == [Self.bye])
    }
}

extension CoordinatorStateTests.Fed {
    fileprivate mutating func stop(within seconds: Double) -> [CoordinatorState.Action] {
        feed(.stopAfterStep(exitCode: 75, text: "stopped", deadline: now + .seconds(seconds)))
    }

    /// The worker computes the slot of the step in so many seconds; what the coordinator does with the last one.
    fileprivate mutating func compute(step: Int, seconds: Int) -> [CoordinatorState.Action] {
        tick(seconds: seconds)
        var actions: [CoordinatorState.Action] = []
        for slot in 0..<1 {
            for chunk in 0..<2 {
                _ = bulk {
                    ($0.kind, $0.step, $0.index, $0.chunk, $0.chunkCount) = (.gradient, step, slot, chunk, 2)
                    ($0.offset, $0.payloadBytes, $0.totalBytes) = (8 * chunk, chunk == 0 ? 8 : 4, 12)
                }
            }
            actions = say(.blockDone(step: step, block: SlotBlock(level: 0, index: slot), number: step + 1, digest: CoordinatorStateTests.digest, bytes: 12))
        }
        return actions
    }
}

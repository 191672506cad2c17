import Fleet
import Foundation
import Synchronization
import Testing
import Transport

/// What a coordinator's loop does while its delegate is busy, and while a worker is slow or gone.
@Suite(.serialized, .timeLimit(.minutes(2))) struct BusyCoordinatorTests {
    static let steps = FleetOverSocketsTests.steps
    static let expected = FleetOverSocketsTests.expected

    /// The first step's end waits until a worker was taken in that came only then.
    @Test func aWorkerIsTakenInWhileAStepEnds() async throws {
        let delegate = ToyCoordinator(steps: Self.steps)
        let loop = try FleetOverSocketsTests.coordinator(delegate)
        let first = try FleetOverSocketsTests.worker(0, at: loop.endpoint)
        let second = try FleetOverSocketsTests.worker(1, at: loop.endpoint)
        let running = Mutex<Running<FleetExit>?>(nil)
        let joined = DispatchSemaphore(value: 0)
        delegate.reported = { event in
            if case .joined(_, "host1:1", _) = event { joined.signal() }
        }
        delegate.stepDone = { step in
            guard step == 1 else { return }
            running.withLock { $0 = Running { second.run() } }
            joined.wait()
        }
        let firstRun = Running { first.run() }
        #expect(await Running { loop.run() }.value.exitCode == 0)
        #expect(await firstRun.value.exitCode == 0)
        second.requestStop(reason: "test over")
        #expect(await running.withLock { $0 }?.value.exitCode == 0)
        #expect(Toy.digest(delegate.current) == Self.expected)
    }

    /// Asked to stop in the middle of a step end: the worker is told at once, `run()` returns when the step end is over, with its error if it has one.
    @Test(arguments: [false, true]) func aStepEndInProgressIsFinishedFirst(fails: Bool) async throws {
        let delegate = ToyCoordinator(steps: Self.steps)
        let loop = try FleetOverSocketsTests.coordinator(delegate)
        let worker = try FleetOverSocketsTests.worker(0, at: loop.endpoint)
        let told = DispatchSemaphore(value: 0)
        let isOver = Mutex(false)
        delegate.stepDone = { _ in
            loop.requestStop(exitCode: ExitCode.preempted, text: "preempted")
            told.wait()
            isOver.withLock { $0 = true }
            if fails { throw ToyError(exitCode: ExitCode.disk, description: "the disk is full") }
        }
        let running = Running {
            let exit = worker.run()
            told.signal()
            return exit
        }
        let exit = await Running { loop.run() }.value
        #expect(isOver.withLock { $0 } && delegate.step == 1)
        #expect(exit == (fails ? FleetExit(exitCode: 74, text: "the disk is full") : FleetExit(exitCode: 75, text: "preempted")))
        #expect(await running.value == FleetExit(exitCode: 75, text: "preempted"))
    }

    /// The first block is added only after workers that came meanwhile were taken in: no more than two complete gradients wait for that, and
    /// memory is that of docs/protocol.md.
    @Test func gradientsThatWaitToBeAddedAreFew() async throws {
        let workers = 4
        let delegate = ToyCoordinator(steps: 2)
        let loop = try FleetOverSocketsTests.coordinator(delegate, minimumWorkers: workers)
        let late = try (0..<3).map { try FleetOverSocketsTests.worker(10 + $0, at: loop.endpoint) }
        let runs = Mutex<[Running<FleetExit>]>([])
        let joined = DispatchSemaphore(value: 0)
        let hasWaited = Mutex(false)
        let complete = Mutex(0)
        let mostBeforeTheFirst = Mutex(0)
        delegate.reported = { event in
            switch event {
            case .joined(_, let name, _) where name.hasPrefix("host1") && name.count == "host10:10".count: joined.signal()
            case .blockFinished: complete.withLock { $0 += 1 }
            default: break
            }
        }
        delegate.merging = { _ in
            guard hasWaited.withLock({ let before = $0; $0 = true; return !before }) else { return }
            for worker in late {
                runs.withLock { $0.append(Running { worker.run() }) }
                joined.wait()
            }
            mostBeforeTheFirst.withLock { $0 = complete.withLock { $0 } }
        }
        let early = try (0..<workers).map { number in
            let worker = try FleetOverSocketsTests.worker(number, at: loop.endpoint)
            return Running { worker.run() }
        }
        #expect(await Running { loop.run() }.value.exitCode == 0)
        for worker in early { #expect(await worker.value.exitCode == 0) }
        for worker in late { worker.requestStop(reason: "test over") }
        for run in runs.withLock({ $0 }) { #expect(await run.value.exitCode == 0) }
        #expect(Toy.digest(delegate.current) == Toy.expectedDigest(steps: 2))
        #expect(mostBeforeTheFirst.withLock { $0 } <= 2)
        #expect(loop.gradientBuffers <= workers + late.count + Toy.slots / 2 + 2)
    }

    /// A worker that never gives credit back gets what its credit allows, once, and nobody waits for it.
    @Test func aSlowReceiverDelaysNobody() async throws {
        let delegate = ToyCoordinator(steps: Self.steps)
        let loop = try FleetOverSocketsTests.coordinator(delegate, minimumWorkers: 2)
        let slow = try MalformedFramesTests.Rogue(at: loop, number: 1)
        slow.say(.hello(Toy.hello(7)))
        slow.send(slow.bulk, [BulkHeaderCodec.encode(MalformedFramesTests.header(slow.session)), []])
        slow.say(.ready)
        let worker = try FleetOverSocketsTests.worker(0, at: loop.endpoint)
        let running = Running { worker.run() }
        #expect(await Running { loop.run() }.value.exitCode == 0)
        #expect(await running.value.exitCode == 0)
        #expect(Toy.digest(delegate.current) == Self.expected)
        #expect(delegate.contributors == 1)
        var bytes = 0
        while let frames = slow.bulk.receive() { bytes += frames.last?.withBytes { $0.count } ?? 0 }
        #expect((1...Toy.configuration().creditBytes).contains(bytes), "\(bytes) bytes without credit")
    }

    /// Nobody says anything for an hour unless there is cause: only the end of its connection tells that the worker is gone.
    @Test func theEndOfAConnectionIsNoticedWithoutHeartbeats() async throws {
        let delegate = ToyCoordinator(steps: Self.steps)
        var configuration = Toy.configuration()
        configuration.minimumWorkers = 2
        configuration.timing.heartbeat = .seconds(3600)
        configuration.timing.liveness = .seconds(36_000)
        let loop = try CoordinatorLoop(
            configuration: configuration, plan: Toy.plan(step: 0), listen: "tcp://127.0.0.1:*", bulkListen: "tcp://127.0.0.1:*", delegate: delegate)
        try await FleetOverSocketsTests.runWithVictim(loop, delegate)
    }
}

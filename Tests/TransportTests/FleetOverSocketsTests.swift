import Fleet
import Foundation
import Synchronization
import Testing
import Transport

/// Real coordinators and workers over loopback. The oracle is always the same: the bytes of the weights of a run without fleet.
@Suite(.serialized) struct FleetOverSocketsTests {
    static let steps = 3
    static let expected = Toy.expectedDigest(steps: steps)

    static func coordinator(
        _ delegate: ToyCoordinator, generation: UInt64 = 1, listen: String = "tcp://127.0.0.1:*", minimumWorkers: Int = 1,
        security: CoordinatorSecurity = .loopbackOnly
    ) throws -> CoordinatorLoop {
        var configuration = Toy.configuration(generation: generation)
        configuration.minimumWorkers = minimumWorkers
        return try CoordinatorLoop(
            configuration: configuration, plan: Toy.plan(step: delegate.step), listen: listen,
            bulkListen: "tcp://127.0.0.1:*", security: security, delegate: delegate)
    }

    /// The next port to try for a coordinator with a successor.
    private static let port = Mutex(10_000 + Int(ProcessInfo.processInfo.processIdentifier) % 8000)

    /// A coordinator whose port a successor can take: one that the system gives to no connection, so not to that of a worker which tries again,
    /// and that no other test is given while the first coordinator is gone.
    static func replaceableCoordinator(
        _ delegate: ToyCoordinator, minimumWorkers: Int = 1, security: CoordinatorSecurity = .loopbackOnly
    ) throws -> CoordinatorLoop {
        while true {
            let port = port.withLock { port in
                port += 1
                return port
            }
            guard port < 30_000 else { throw TransportError.addressInUse("every port below tcp://127.0.0.1:30000") }
            do {
                return try coordinator(delegate, listen: "tcp://127.0.0.1:\(port)", minimumWorkers: minimumWorkers, security: security)
            } catch TransportError.addressInUse {}
        }
    }

    static func worker(
        _ number: Int, at address: String, _ delegate: ToyWorker = ToyWorker(), hello: Hello? = nil, security: WorkerSecurity = .loopbackOnly
    ) throws -> WorkerLoop {
        try WorkerLoop(address: address, hello: hello ?? Toy.hello(number), timing: Toy.timing, security: security, delegate: delegate)
    }

    /// Runs a fleet of two, of which `host0:0` closes its sockets while it computes a block of step 1. The other one does all the rest.
    static func runWithVictim(_ loop: CoordinatorLoop, _ delegate: ToyCoordinator) async throws {
        let vanishing = Mutex<WorkerLoop?>(nil)
        let hasVanished = DispatchSemaphore(value: 0)
        let victim = try Self.worker(
            0, at: loop.endpoint,
            ToyWorker { step, _ in
                guard step == 1 else { return }
                vanishing.withLock { $0?.vanish() }
                hasVanished.wait()
                hasVanished.signal()
            })
        vanishing.withLock { $0 = victim }
        let other = try Self.worker(1, at: loop.endpoint)
        let victimRun = Running {
            let exit = victim.run()
            hasVanished.signal()
            return exit
        }
        let otherRun = Running { other.run() }
        #expect(await Running { loop.run() }.value.exitCode == 0)
        #expect(await victimRun.value.text == "vanished")
        #expect(await otherRun.value.exitCode == 0)
        #expect(Toy.digest(delegate.current) == Self.expected)
        #expect(delegate.events.contains { if case .lost(_, "host0:0", "connection lost", _) = $0 { true } else { false } })
    }

    @Test(arguments: [1, 2, 3, 5]) func anyNumberOfWorkersGivesTheSameBytes(count: Int) async throws {
        let delegate = ToyCoordinator(steps: Self.steps)
        let loop = try Self.coordinator(delegate, minimumWorkers: count)
        let workers = try (0..<count).map { number in
            let worker = try Self.worker(number, at: loop.endpoint)
            return Running { worker.run() }
        }
        let exit = await Running { loop.run() }.value
        #expect(exit == FleetExit(exitCode: 0, text: "training complete"))
        for worker in workers { #expect(await worker.value == exit) }
        #expect(Toy.digest(delegate.current) == Self.expected)
        #expect(delegate.drops == 0, "\(delegate.events)")
    }

    @Test func samplesComeThroughTheCoordinator() async throws {
        let delegate = ToyCoordinator(steps: Self.steps)
        let loop = try Self.coordinator(delegate)
        let worker = try Self.worker(0, at: loop.endpoint, ToyWorker(hasData: false), hello: Toy.hello(0, hasData: false))
        let running = Running { worker.run() }
        #expect(await Running { loop.run() }.value.exitCode == 0)
        #expect(await running.value.exitCode == 0)
        #expect(Toy.digest(delegate.current) == Self.expected)
        #expect(delegate.samplesSent == Self.steps * Toy.slots)
    }

    /// One worker closes its sockets in the middle of a block; another one takes the block over.
    @Test func aWorkerVanishesInTheMiddleOfABlock() async throws {
        let delegate = ToyCoordinator(steps: Self.steps)
        let loop = try Self.coordinator(delegate, minimumWorkers: 2)
        try await Self.runWithVictim(loop, delegate)
        let session = try #require(
            delegate.events.compactMap { if case .joined(let session, "host0:0", _) = $0 { session } else { nil } }.first)
        #expect(delegate.events.contains { if case .leased(session, 1, _) = $0 { true } else { false } })
        #expect(!delegate.events.contains { if case .blockFinished(session, 1, _, _) = $0 { true } else { false } })
    }

    @Test func aWorkerJoinsLate() async throws {
        let delegate = ToyCoordinator(steps: Self.steps)
        let loop = try Self.coordinator(delegate)
        let first = try Self.worker(0, at: loop.endpoint)
        let second = try Self.worker(1, at: loop.endpoint)
        let running = Mutex<Running<FleetExit>?>(nil)
        delegate.stepDone = { step in
            if step == 1 { running.withLock { $0 = Running { second.run() } } }
        }
        let firstRun = Running { first.run() }
        #expect(await Running { loop.run() }.value.exitCode == 0)
        #expect(await firstRun.value.exitCode == 0)
        // The latecomer may miss the end of such a short run; then it looks for a coordinator until it is told to stop.
        second.requestStop(reason: "test over")
        #expect(await running.withLock { $0 }?.value.exitCode == 0)
        #expect(Toy.digest(delegate.current) == Self.expected)
    }

    /// The coordinator vanishes after two steps; another one, from the state after the first, takes over its port and its workers.
    @Test func theWorkersOutliveTheCoordinator() async throws {
        let delegate = ToyCoordinator(steps: Self.steps)
        let loop = try Self.replaceableCoordinator(delegate, minimumWorkers: 2)
        let saved = Mutex<BulkBuffer?>(nil)
        delegate.stepDone = { [unowned delegate] step in
            if step == 1 { saved.withLock { $0 = delegate.current } }
            if step == 2 { loop.vanish() }
        }
        let toys = [ToyWorker(), ToyWorker()]
        let workers = try toys.enumerated().map { number, toy in
            let worker = try Self.worker(number, at: loop.endpoint, toy)
            return Running { worker.run() }
        }
        let endpoint = loop.endpoint
        #expect(await Running { loop.run() }.value.text == "vanished")

        let checkpoint = try #require(saved.withLock { $0 })
        let next = ToyCoordinator(steps: Self.steps, step: 1, weights: checkpoint)
        let successor = try Self.coordinator(next, generation: 2, listen: endpoint, minimumWorkers: 2)
        #expect(await Running { successor.run() }.value.exitCode == 0)
        for worker in workers { #expect(await worker.value.exitCode == 0) }
        #expect(Toy.digest(next.current) == Self.expected)
        for toy in toys {
            #expect(toy.generations.first == 1 && toy.generations.last == 2)
            #expect(toy.builds == 1, "the model was built again")
        }
    }

    @Test func preemptionTellsTheWorkers() async throws {
        let delegate = ToyCoordinator(steps: Self.steps)
        let loop = try Self.coordinator(delegate)
        delegate.stepDone = { step in
            if step == 1 { loop.requestStop(exitCode: ExitCode.preempted, text: "preempted after step 1") }
        }
        let worker = try Self.worker(0, at: loop.endpoint)
        let running = Running { worker.run() }
        let exit = FleetExit(exitCode: 75, text: "preempted after step 1")
        #expect(await Running { loop.run() }.value == exit)
        #expect(await running.value == exit)
        #expect(delegate.step == 1)
    }

    @Test func aWorkerThatIsStoppedHandsItsBlockBack() async throws {
        let delegate = ToyCoordinator(steps: Self.steps)
        let loop = try Self.coordinator(delegate, minimumWorkers: 2)
        let stopping = Mutex<WorkerLoop?>(nil)
        let leaver = try Self.worker(
            0, at: loop.endpoint, ToyWorker { _, _ in stopping.withLock { $0?.requestStop(reason: "told to stop") } })
        stopping.withLock { $0 = leaver }
        let stayer = try Self.worker(1, at: loop.endpoint)
        let runs = [Running { leaver.run() }, Running { stayer.run() }]
        #expect(await Running { loop.run() }.value.exitCode == 0)
        #expect(await runs[0].value == FleetExit(exitCode: 0, text: "told to stop"))
        #expect(await runs[1].value.exitCode == 0)
        #expect(Toy.digest(delegate.current) == Self.expected)
        #expect(delegate.events.contains { if case .left(_, "host0:0", "told to stop") = $0 { true } else { false } })
    }

    /// Errors of the delegates end the run with their exit code and text, on both sides.
    @Test func errorsTravel() async throws {
        let delegate = ToyCoordinator(steps: Self.steps)
        let loop = try Self.coordinator(delegate)
        let worker = try Self.worker(
            0, at: loop.endpoint, ToyWorker { _, _ in throw ToyError(exitCode: ExitCode.badData, description: "sample 3 is damaged") })
        let running = Running { worker.run() }
        #expect(await Running { loop.run() }.value == FleetExit(exitCode: 65, text: "worker host0:0: sample 3 is damaged"))
        #expect(await running.value == FleetExit(exitCode: 65, text: "sample 3 is damaged"))

        let failing = ToyCoordinator(steps: Self.steps)
        failing.stepDone = { _ in throw ToyError(exitCode: ExitCode.disk, description: "the disk is full") }
        let failingLoop = try Self.coordinator(failing)
        let innocent = try Self.worker(0, at: failingLoop.endpoint)
        let innocentRun = Running { innocent.run() }
        let exit = FleetExit(exitCode: 74, text: "the disk is full")
        #expect(await Running { failingLoop.run() }.value == exit)
        #expect(await innocentRun.value == exit)
    }

    @Test func anotherBuildIsRefused() async throws {
        let delegate = ToyCoordinator(steps: Self.steps)
        let loop = try Self.coordinator(delegate)
        let stranger = try Self.worker(0, at: loop.endpoint, hello: Toy.hello(0, buildVersion: "other"))
        delegate.reported = { event in
            if case .refused = event { loop.requestStop(exitCode: 0, text: "test over") }
        }
        let running = Running { stranger.run() }
        #expect(await Running { loop.run() }.value.text == "test over")
        let exit = await running.value
        #expect(exit.exitCode == 78)
        #expect(exit.text == "worker host0:0 is build other, the coordinator test; install the same build on both")
    }

    @Test func anAddressInUseIsNamed() throws {
        let loop = try Self.coordinator(ToyCoordinator(steps: 1))
        let error = #expect(throws: TransportError.self) {
            try Self.coordinator(ToyCoordinator(steps: 1), listen: loop.endpoint)
        }
        #expect(error == .addressInUse(loop.endpoint))
        #expect(
            error?.description == "\(loop.endpoint) is in use; stop the process that listens there, or choose another port with --listen"
        )
        #expect(error?.exitCode == 69)
    }

    @Test func aWorkerWithoutCoordinatorGivesUp() async throws {
        let loop = try Self.coordinator(ToyCoordinator(steps: 1))
        let address = loop.endpoint
        loop.vanish()
        _ = await Running { loop.run() }.value
        var timing = Toy.timing
        timing.orphanTimeout = .milliseconds(300)
        let worker = try WorkerLoop(address: address, hello: Toy.hello(0), timing: timing, delegate: ToyWorker())
        let exit = await Running { worker.run() }.value
        #expect(exit.exitCode == 69)
        #expect(exit.text == "no coordinator at \(address) for 0.3 s; check that it runs and that its port can be reached")
    }
}

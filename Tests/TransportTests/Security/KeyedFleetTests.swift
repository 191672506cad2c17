import Fleet
import Foundation
import Synchronization
import TestKit
import Testing
import Transport

/// Fleets with keys over real sockets: who gets in, who does not, what each is told, and that no bit of the result moves.
@Suite(.serialized) struct KeyedFleetTests {
    typealias Sockets = FleetOverSocketsTests

    static func security(_ events: [FleetEvent]) -> [SecurityEvent] {
        events.compactMap { if case .security(let event) = $0 { event } else { nil } }
    }

    /// One key for two workers, and one of its own for the third.
    @Test func keysMoveNoBit() async throws {
        let ring = try KeyRing(workers: ["shared", "own"])
        let delegate = ToyCoordinator(steps: Sockets.steps)
        let loop = try Sockets.coordinator(delegate, minimumWorkers: 3, security: ring.coordinator)
        let workers = try ["shared", "shared", "own"].enumerated().map { number, name in
            let worker = try Sockets.worker(
                number, at: loop.endpoint, ToyWorker(hasData: number > 0), hello: Toy.hello(number, hasData: number > 0), security: ring.worker(name))
            return Running { worker.run() }
        }
        #expect(await Running { loop.run() }.value == FleetExit(exitCode: 0, text: "training complete"))
        for worker in workers { #expect(await worker.value.exitCode == 0) }
        #expect(Toy.digest(delegate.current) == Sockets.expected)
        #expect(delegate.drops == 0 && Self.security(delegate.events).isEmpty, "\(delegate.events)")
    }

    /// What does not fit, seen from the worker: every case ends with exit code 77 and says what to do; the coordinator goes on.
    @Test func whoeverHasTheWrongKeysIsTold() async throws {
        let (ring, others) = (try KeyRing(workers: ["node1", "node2"]), try KeyRing(workers: ["stranger"]))
        let keyed = ToyCoordinator(steps: 1)
        let loop = try Sockets.coordinator(keyed, security: ring.coordinator)
        let plain = ToyCoordinator(steps: 1)
        let plainLoop = try Sockets.coordinator(plain)
        let runs = [Running { loop.run() }, Running { plainLoop.run() }]

        // A key that is not on the list.
        let stranger = ring.folder.path + "/mixed"
        try FileManager.default.copyItem(atPath: others.folder.worker("stranger"), toPath: stranger)
        try FileManager.default.removeItem(atPath: stranger + "/coordinator.public")
        try FileManager.default.copyItem(atPath: ring.folder.coordinator + "/coordinator.public", toPath: stranger + "/coordinator.public")
        let strangersKeys = try WorkerKeys(folder: stranger)

        func end(of security: WorkerSecurity, at address: String) async throws -> FleetExit {
            let worker = try Sockets.worker(0, at: address, security: security)
            return await Running { worker.run() }.value
        }
        var exit = try await end(of: .keys(strangersKeys), at: loop.endpoint)
        #expect(exit.exitCode == 77)
        #expect(
            exit.text == """
                the coordinator at \(loop.endpoint) does not admit this worker's key \(strangersKeys.publicKey); on the head node, add the line of \
                \(stranger)/worker.public to the coordinator's authorized_keys
                """)
        exit = try await end(of: others.worker("stranger"), at: loop.endpoint)
        #expect(
            exit.exitCode == 77
                && exit.text.hasPrefix(
                    "the coordinator at \(loop.endpoint) does not have the key in \(others.folder.worker("stranger"))/coordinator.public;"))
        exit = try await end(of: .loopbackOnly, at: loop.endpoint)
        #expect(exit.exitCode == 77 && exit.text.contains("admits only workers with keys; on the head node run 'mvq keygen"))
        exit = try await end(of: ring.worker("node1"), at: plainLoop.endpoint)
        #expect(exit.exitCode == 77 && exit.text.contains("was started without --keys, this worker with"))

        // None of this was seen by the state machines, and both fleets work.
        let right = try [Sockets.worker(1, at: loop.endpoint, security: ring.worker("node1")), Sockets.worker(2, at: plainLoop.endpoint)]
        let working = right.map { worker in Running { worker.run() } }
        for run in runs { #expect(await run.value.exitCode == 0) }
        for worker in working { #expect(await worker.value.exitCode == 0) }
        #expect(keyed.events.filter { if case .joined = $0 { true } else { false } }.count == 1)
        // Three attempts, one report.
        #expect(Self.security(keyed.events) == [.unknownKey(strangersKeys.publicKey.text, address: "127.0.0.1")])
        #expect(keyed.drops == 0 && plain.drops == 0)
    }

    /// A key that is taken off the list while its worker computes: the worker is told and ends, another finishes its work.
    @Test func aKeyIsRevokedWhileTraining() async throws {
        let ring = try KeyRing(workers: ["thief", "honest"])
        let delegate = ToyCoordinator(steps: Sockets.steps)
        let loop = try Sockets.coordinator(delegate, minimumWorkers: 2, security: ring.coordinator)
        let (isShutOut, thiefIsAtWork) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        delegate.reported = { event in
            if case .security(.listChanged(added: [], removed: _)) = event { for _ in 0..<64 { isShutOut.signal() } }
        }
        let hasBegun = Mutex(false)
        let thief = try Sockets.worker(
            0, at: loop.endpoint,
            ToyWorker { step, _ in
                guard step >= 1 else { return }
                thiefIsAtWork.signal()
                let isFirst = hasBegun.withLock { begun in
                    defer { begun = true }
                    return !begun
                }
                if isFirst { try ring.revoke("thief") }
                isShutOut.wait()
            }, security: ring.worker("thief"))
        let honest = try Sockets.worker(
            1, at: loop.endpoint,
            ToyWorker { step, _ in
                guard step >= 1 else { return }
                thiefIsAtWork.wait()
                thiefIsAtWork.signal()
                // The thief's block may be given to both; the run must not end before the list was read.
                if step == 2 { isShutOut.wait() }
            }, security: ring.worker("honest"))
        let runs = [Running { thief.run() }, Running { honest.run() }]
        #expect(await Running { loop.run() }.value.exitCode == 0)
        let end = await runs[0].value
        #expect(end.exitCode == 77 && end.text.contains("does not admit this worker's key any more"), "\(end)")
        #expect(await runs[1].value.exitCode == 0)
        #expect(Toy.digest(delegate.current) == Sockets.expected)
        let session = try #require(
            delegate.events.compactMap { if case .joined(let session, "host0:0", _) = $0 { session } else { nil } }.first)
        #expect(!delegate.events.contains { if case .blockFinished(session, 1..., _, _) = $0 { true } else { false } })
        #expect(delegate.events.contains { if case .lost(session, _, let reason, _) = $0 { reason == end.text } else { false } })
    }

    /// A key that is added counts at once. A list that cannot be read changes nothing, and is complained about.
    @Test func aKeyIsAddedWhileTraining() async throws {
        let ring = try KeyRing(workers: ["first"])
        let delegate = ToyCoordinator(steps: Sockets.steps)
        let loop = try Sockets.coordinator(delegate, minimumWorkers: 2, security: ring.coordinator)
        let good = try ring.list
        let second = Mutex<Running<FleetExit>?>(nil)
        delegate.reported = { event in
            switch event {
            case .joined(_, "host0:0", _): try? ring.write("nonsense\n")
            case .security(.listUnusable):
                try? ring.write(good)
                guard (try? ring.folder.makeWorker(named: "second")) != nil,
                    let worker = try? Sockets.worker(1, at: loop.endpoint, security: ring.worker("second"))
                else { return loop.requestStop(exitCode: 70, text: "no second worker") }
                second.withLock { $0 = Running { worker.run() } }
            default: break
            }
        }
        let first = try Sockets.worker(0, at: loop.endpoint, security: ring.worker("first"))
        let running = Running { first.run() }
        #expect(await Running { loop.run() }.value == FleetExit(exitCode: 0, text: "training complete"))
        #expect(await running.value.exitCode == 0)
        #expect(await second.withLock { $0 }?.value.exitCode == 0)
        #expect(Toy.digest(delegate.current) == Sockets.expected)
        let complaints = Self.security(delegate.events).filter { if case .listUnusable = $0 { true } else { false } }
        #expect(complaints.count == 1 && "\(complaints)".contains("authorized_keys, line 1: does not begin with a public key"))
        #expect(!delegate.events.contains { if case .lost = $0 { true } else { false } })
    }

    /// What a restart looks like is no reason to give up, and the same keys serve the next coordinator.
    @Test func keyedWorkersOutliveTheCoordinator() async throws {
        let ring = try KeyRing(workers: ["node1"])
        let delegate = ToyCoordinator(steps: Sockets.steps)
        let loop = try Sockets.replaceableCoordinator(delegate, security: ring.coordinator)
        let saved = Mutex<BulkBuffer?>(nil)
        delegate.stepDone = { [unowned delegate] step in
            saved.withLock { $0 = delegate.current }
            loop.vanish()
        }
        let toy = ToyWorker()
        let worker = try Sockets.worker(0, at: loop.endpoint, toy, security: ring.worker("node1"))
        let running = Running { worker.run() }
        let endpoint = loop.endpoint
        #expect(await Running { loop.run() }.value.text == "vanished")
        let next = ToyCoordinator(steps: Sockets.steps, step: 1, weights: try #require(saved.withLock { $0 }))
        let successor = try Sockets.coordinator(next, generation: 2, listen: endpoint, security: ring.coordinator)
        #expect(await Running { successor.run() }.value.exitCode == 0)
        #expect(await running.value.exitCode == 0)
        #expect(Toy.digest(next.current) == Sockets.expected)
        #expect(toy.generations.first == 1 && toy.generations.last == 2)
    }

    /// A proxy in front of a coordinator that is not there takes connections and closes them again, as a coordinator with other keys does. A worker
    /// must not take one for the other: it goes on trying.
    @Test func aProxyWithoutCoordinatorIsNoMatterOfKeys() async throws {
        let ring = try KeyRing(workers: ["node1"])
        let proxy = try TCPListener()
        let closing = Running {
            var accepted = 0
            while let connection = proxy.accept() {
                connection.close()
                accepted += 1
            }
            return accepted
        }
        var timing = Toy.timing
        timing.orphanTimeout = .seconds(2)
        let worker = try WorkerLoop(
            address: "tcp://127.0.0.1:\(proxy.port)", hello: Toy.hello(0), timing: timing, security: ring.worker("node1"), delegate: ToyWorker())
        let exit = await Running { worker.run() }.value
        #expect(exit.exitCode == 69 && exit.text.hasPrefix("no coordinator at"), "\(exit)")
        proxy.stop()
        #expect(await closing.value > 3, "as many attempts as would have ended a worker whose keys do not fit")
    }
}

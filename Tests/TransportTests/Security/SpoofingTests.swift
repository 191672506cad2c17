import Fleet
import Foundation
import Synchronization
import Testing
import Transport

/// A worker with a key of its own that takes another's session id or process id: nothing of what it says is used, and its victim stays.
@Suite(.serialized) struct SpoofingTests {
    /// A raw control and bulk socket with a worker's keys.
    final class Peer {
        let session: SessionID
        let control: Socket
        let bulk: Socket

        init(at loop: CoordinatorLoop, _ session: SessionID, keys: WorkerKeys, withoutBulk: Bool = false) throws {
            let context = try Context()
            self.session = session
            control = try Socket(.dealer, in: context)
            bulk = try Socket(.dealer, in: context)
            for socket in [control, bulk] {
                socket.setRoutingID(Array(session.description.utf8))
                socket.encrypt(as: keys)
            }
            try control.connect(to: loop.endpoint)
            if !withoutBulk { try bulk.connect(to: loop.bulkEndpoint) }
        }

        func say(_ message: ControlMessage) { _ = control.send([.bytes(ControlCodec.encode(message))]) }
        func send(_ header: BulkHeader, _ payload: [UInt8] = []) {
            _ = bulk.send([.bytes(BulkHeaderCodec.encode(header)), .bytes(payload)])
        }

        /// The next control message.
        func hear() throws -> ControlMessage {
            var poller = Poller()
            poller.watch(control)
            // A signal ends a wait early.
            for _ in 0..<240 {
                poller.wait(atMost: .milliseconds(500))
                if let frame = control.receive()?.first { return try ControlCodec.decode(frame) }
            }
            throw TransportError.failed(call: "hear", address: "the coordinator", reason: "it said nothing for two minutes")
        }

        // What never left must not hold the context when a test ends early.
        deinit {
            control.dropUnsent()
            bulk.dropUnsent()
        }
    }

    @Test func anotherKeyHasNoSayInASession() async throws {
        let ring = try KeyRing(workers: ["victim", "thief"])
        let delegate = ToyCoordinator(steps: 1)
        let loop = try FleetOverSocketsTests.coordinator(delegate, minimumWorkers: 2, security: ring.coordinator)
        let spoofs = Mutex(0)
        let isOver = DispatchSemaphore(value: 0)
        delegate.reported = { event in
            // What must not happen ends the wait as well.
            switch event {
            case .lost, .dropped, .left: isOver.signal()
            default: break
            }
            guard case .security(.spoofed) = event else { return }
            let count = spoofs.withLock { count in
                count += 1
                return count
            }
            if count == 4 { isOver.signal() }
        }
        let running = Running { loop.run() }
        let session = SessionID(high: 0xbad, low: 1)
        let hello = Toy.hello(7)
        // The victim is taken in, but its bulk socket is not there yet: the thief comes first under its name.
        let victim = try Peer(at: loop, session, keys: ring.keys("victim"), withoutBulk: true)
        victim.say(.hello(hello))
        guard case .welcome(let welcome) = try victim.hear() else { Issue.record("no welcome"); return }
        let thief = try Peer(at: loop, session, keys: ring.keys("thief"))
        thief.send(BulkHeader(kind: .attach, runID: welcome.runID, generation: welcome.generation, session: session))
        thief.send(
            BulkHeader(
                kind: .gradient, runID: welcome.runID, generation: welcome.generation, session: session, chunkCount: 1, payloadBytes: 4, totalBytes: 4),
            [1, 2, 3, 4])
        // Bytes that would close the session of anybody who sent them.
        _ = thief.bulk.send([.bytes([1, 2, 3])])
        // Under a session of its own, but as the process of the victim: a worker that comes back would replace its old session.
        let impostor = try Peer(at: loop, SessionID(high: 0xbad, low: 2), keys: ring.keys("thief"))
        impostor.say(.hello(hello))
        await Running { isOver.wait() }.value

        // The victim is still a member: its heartbeat is not answered with helloAgain, and it is told of the end.
        victim.say(.heartbeat(phase: .building, step: nil, slotsDone: 0))
        loop.requestStop(exitCode: 75, text: "test over")
        var heard: [ControlMessage] = []
        repeat { heard.append(try victim.hear()) } while heard.last?.isBye == false
        #expect(!heard.contains(.helloAgain))
        victim.say(.leave(reason: "test over"))
        #expect(await running.value.exitCode == 75)
        let thiefs = "thief (\(try ring.keys("thief").publicKey.short))"
        let reports = KeyedFleetTests.security(delegate.events)
        #expect(reports == Array(repeating: .spoofed(session, key: thiefs), count: 4), "\(reports)")
        #expect(delegate.events.count { if case .joined = $0 { true } else { false } } == 1)
        #expect(!delegate.events.contains { if case .lost = $0 { true } else { false } } && delegate.drops == 0)
        withExtendedLifetime((thief, impostor)) {}
    }

    /// A key whose holder sends nothing but rubbish is refused for a while; others are not.
    @Test func aKeyThatSendsRubbishIsBarred() async throws {
        let ring = try KeyRing(workers: ["honest", "noisy"])
        let delegate = ToyCoordinator(steps: 1)
        let loop = try FleetOverSocketsTests.coordinator(delegate, security: ring.coordinator)
        let isBarred = DispatchSemaphore(value: 0)
        delegate.reported = { if case .security(.barred) = $0 { isBarred.signal() } }
        let running = Running { loop.run() }
        let noisy = try Peer(at: loop, SessionID(high: 0xbad, low: 3), keys: ring.keys("noisy"))
        for _ in 0..<60 { _ = noisy.control.send([.bytes([1, 2, 3])]) }
        await Running { isBarred.wait() }.value
        // A hello, too, is answered with when to come back.
        noisy.say(.hello(Toy.hello(8)))
        let answer = try noisy.hear()
        guard case .refuse(69, let text) = answer else { Issue.record("\(answer)"); return }
        #expect(text.hasPrefix("this worker's key has sent too much that cannot be read; it may come back after "))

        let honest = try FleetOverSocketsTests.worker(0, at: loop.endpoint, security: ring.worker("honest"))
        let working = Running { honest.run() }
        #expect(await running.value.exitCode == 0)
        #expect(await working.value.exitCode == 0)
        #expect(Toy.digest(delegate.current) == Toy.expectedDigest(steps: 1))
        #expect(delegate.drops == 33, "the others were not even read")
        withExtendedLifetime(noisy) {}
    }
}

extension ControlMessage {
    var isBye: Bool { if case .bye = self { true } else { false } }
}

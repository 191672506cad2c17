import Fleet
import Foundation
import Synchronization
import Testing
import Transport

/// A peer that sends what no worker would send, to a coordinator with a run in progress.
@Suite(.serialized) struct MalformedFramesTests {
    /// Raw sockets to a coordinator.
    final class Rogue {
        let session: SessionID
        let control: Socket
        let bulk: Socket

        init(at loop: CoordinatorLoop, number: Int, routingID: [UInt8]? = nil) throws {
            let context = try Context()
            session = SessionID(high: 0xbad, low: UInt64(number))
            control = try Socket(.dealer, in: context)
            bulk = try Socket(.dealer, in: context)
            for (socket, address) in [(control, loop.endpoint), (bulk, loop.bulkEndpoint)] {
                socket.setRoutingID(routingID ?? Array(session.description.utf8))
                try socket.connect(to: address)
            }
        }

        func say(_ message: ControlMessage) { send(control, [ControlCodec.encode(message)]) }

        func send(_ socket: Socket, _ frames: [[UInt8]]) { _ = socket.send(frames.map { .bytes($0) }) }
    }

    static func header(_ session: SessionID, run: RunID = Toy.runID, _ change: (inout BulkHeader) -> Void = { _ in }) -> BulkHeader {
        var header = BulkHeader(kind: .attach, runID: run, generation: 1, session: session)
        change(&header)
        return header
    }

    /// All kinds of nonsense, from strangers and from inside a session; each one is dropped, and the run has its bytes.
    @Test(arguments: [1, 2]) func nonsenseDoesNotChangeTheResult(seed: Int) async throws {
        let delegate = ToyCoordinator(steps: 2)
        let loop = try FleetOverSocketsTests.coordinator(delegate)
        var random = Generator(state: UInt64(seed))
        func noise(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) } }

        // The worker joins only when enough nonsense has arrived.
        let enough = 60
        let worker = try FleetOverSocketsTests.worker(0, at: loop.endpoint)
        let running = Mutex<Running<FleetExit>?>(nil)
        let drops = Mutex(0)
        delegate.reported = { event in
            guard case .dropped = event else { return }
            let count = drops.withLock { count in
                count += 1
                return count
            }
            if count == enough { running.withLock { $0 = Running { worker.run() } } }
        }

        var rogues: [Rogue] = []
        for number in 0..<6 {
            let rogue = try Rogue(at: loop, number: number, routingID: number == 5 ? Array("nobody".utf8) : nil)
            rogues.append(rogue)
            if number > 0 { rogue.say(.hello(Toy.hello(100 + number))) }
            rogue.send(rogue.bulk, [BulkHeaderCodec.encode(Self.header(rogue.session)), []])
            rogue.send(rogue.control, [[1] + noise(200)])
            rogue.send(rogue.control, [[1], noise(3), noise(3)])
            rogue.send(rogue.control, [[]])
            rogue.send(rogue.control, [[1] + Array("{\"type\":\"lease\",\"step\":0,\"block\":{\"level\":99,\"index\":-1}}".utf8)])
            rogue.send(rogue.control, [[1] + Array("{\"type\":\"samplesNeeded\",\"ids\":[-1]}".utf8)])
            rogue.send(rogue.control, [[1] + Array(repeating: UInt8(ascii: "["), count: 100_000)])
            rogue.say(.blockDone(step: 0, block: SlotBlock(level: 3, index: 0), number: 1, digest: "wrong", bytes: Toy.bytes))
            rogue.say(.bye(exitCode: 0, text: "go home"))
            rogue.send(rogue.bulk, [noise(128), noise(10)])
            rogue.send(rogue.bulk, [Array(BulkHeaderCodec.encode(Self.header(rogue.session)).prefix(100)), []])
            rogue.send(rogue.bulk, [noise(20)])
            let gradient = Self.header(rogue.session) {
                $0.kind = .gradient
                $0.level = 3
                $0.chunkCount = 1
                $0.payloadBytes = 16
                $0.totalBytes = 16
            }
            rogue.send(rogue.bulk, [BulkHeaderCodec.encode(gradient), noise(16)])
            rogue.send(rogue.bulk, [BulkHeaderCodec.encode(Self.header(rogue.session, run: RunID(high: 9, low: 9))), []])
        }
        // Larger than any message may be: these connections are cut.
        rogues[0].send(rogues[0].bulk, [BulkHeaderCodec.encode(Self.header(rogues[0].session)), noise(5 << 20)])
        rogues[1].send(rogues[1].control, [noise(2 << 20)])

        #expect(await Running { loop.run() }.value.exitCode == 0)
        #expect(await running.withLock { $0 }?.value.exitCode == 0)
        #expect(Toy.digest(delegate.current) == Toy.expectedDigest(steps: 2))
        #expect(delegate.contributors == 1)
        withExtendedLifetime(rogues) {}
    }

    /// A frame of another protocol version is answered with a refusal that names both.
    @Test func anotherProtocolIsRefused() async throws {
        let delegate = ToyCoordinator(steps: 1)
        let loop = try FleetOverSocketsTests.coordinator(delegate)
        let rogue = try Rogue(at: loop, number: 1)
        delegate.reported = { event in
            if case .refused = event { loop.requestStop(exitCode: 0, text: "test over") }
        }
        rogue.send(rogue.control, [[9] + Array("whatever comes".utf8)])
        #expect(await Running { loop.run() }.value.text == "test over")
        var poller = Poller()
        poller.watch(rogue.control)
        poller.wait(atMost: .seconds(20))
        let frame = try #require(rogue.control.receive()?.first)
        #expect(
            try ControlCodec.decode(frame)
                == .refuse(
                    exitCode: 78, text: "the worker speaks protocol 9, the coordinator 1; install the same release on both"))
    }

    struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            return mix(state)
        }
    }
}

import Checksums
import Fleet
import Testing
import Transport

@Suite struct BulkHeaderCodecTests {
    static let payload: [UInt8] = Array("payload".utf8)

    static func header() -> BulkHeader {
        BulkHeader(
            kind: .gradient, runID: RunID(high: 0x0011_2233_4455_6677, low: 0x8899_aabb_ccdd_eeff), generation: 0x0102_0304_0506_0708,
            session: SessionID(high: 1, low: 2), step: 0x0a0b, level: 5, index: 0x0c0d, chunk: 3, chunkCount: 9, offset: 0x1_0000_0001,
            payloadBytes: 7, totalBytes: 0x2_0000_0002, payloadChecksum: payload.withUnsafeBytes { CRC32C.checksum($0) })
    }

    static func decode(_ bytes: [UInt8], _ payload: [UInt8] = payload) throws -> BulkHeader {
        try bytes.withUnsafeBytes { bytes in
            try payload.withUnsafeBytes { payload in
                try BulkHeaderCodec.decode(bytes, payload: payload)
            }
        }
    }

    /// Every field at its documented place.
    @Test func placesAreThoseOfTheDocument() throws {
        let bytes = BulkHeaderCodec.encode(Self.header())
        #expect(bytes.count == 128)
        func hex(_ range: Range<Int>) -> String { hexadecimal(bytes[range]) }
        #expect(hex(0..<8) == "4d56514201000200")
        #expect(hex(8..<24) == "00112233445566778899aabbccddeeff")
        #expect(hex(24..<40) == "00000000000000010000000000000002")
        #expect(hex(40..<48) == "0807060504030201")
        #expect(hex(48..<64) == "0b0a0000000000000d0c000000000000")
        #expect(hex(64..<80) == "05000000030000000900000007000000")
        #expect(hex(80..<96) == "01000000010000000200000002000000")
        #expect(hex(100..<124) == String(repeating: "00", count: 24))
        #expect(try Self.decode(bytes) == Self.header())
    }

    /// Each single flipped bit of header and payload is found.
    @Test func everyFlippedBitIsFound() {
        let bytes = BulkHeaderCodec.encode(Self.header())
        for bit in 0..<1024 {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: BulkHeaderCodec.Failure.self, "bit \(bit)") { try Self.decode(damaged) }
        }
        for bit in 0..<8 * Self.payload.count {
            var damaged = Self.payload
            damaged[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: BulkHeaderCodec.Failure.wrongPayloadChecksum) { try Self.decode(bytes, damaged) }
        }
        #expect(throws: BulkHeaderCodec.Failure.wrongLength(127)) { try Self.decode(bytes.dropLast()) }
        #expect(throws: BulkHeaderCodec.Failure.wrongPayloadLength(announced: 7, received: 8)) {
            try Self.decode(bytes, Self.payload + [0])
        }
    }
}

@Suite struct ControlCodecTests {
    static let block = SlotBlock(level: 2, index: 3)
    static let session = SessionID(high: 1, low: 0xabc)
    static let welcome = Welcome(
        runID: RunID(high: 3, low: 4), generation: 7, configuration: "a: \"x/y\"\nb: ü", datasetFingerprint: "f", sampleCount: 9, bulkPort: 7701,
        weightsBytes: 100, gradientBytes: 100, chunkBytes: 64, creditBytes: 128, heartbeatSeconds: 1, livenessSeconds: 10)

    static let messages: [(ControlMessage, String)] = [
        (
            .hello(
                Hello(
                    buildVersion: "1", numericClass: "n", hostName: "h", processID: 5, process: session, threads: 2,
                    datasetFingerprint: "f")),
            #"{"buildVersion":"1","datasetFingerprint":"f","hostName":"h","numericClass":"n","process":"00000000000000010000000000000abc","processID":5,"protocolVersion":1,"threads":2,"type":"hello"}"#
        ),
        (.canary(Canary(readings: ["image 0a", "w 1"])), #"{"readings":["image 0a","w 1"],"type":"canary"}"#),
        (.ready, #"{"type":"ready"}"#),
        (.heartbeat(phase: .computing, step: 4, slotsDone: 1), #"{"phase":"computing","slotsDone":1,"step":4,"type":"heartbeat"}"#),
        (.heartbeat(phase: .waiting, step: nil, slotsDone: 0), #"{"phase":"waiting","slotsDone":0,"type":"heartbeat"}"#),
        (.credit(bytes: 8), #"{"bytes":8,"type":"credit"}"#),
        (.weightsReceived(step: 4), #"{"step":4,"type":"weightsReceived"}"#),
        (.samplesNeeded(ids: [3, 1]), #"{"ids":[3,1],"type":"samplesNeeded"}"#),
        (
            .blockDone(step: 4, block: block, number: 1, digest: "d", bytes: 100),
            #"{"block":{"index":3,"level":2},"bytes":100,"digest":"d","number":1,"step":4,"type":"blockDone"}"#
        ),
        (.leave(reason: "r"), #"{"reason":"r","type":"leave"}"#),
        (.fault(exitCode: 65, text: "t"), #"{"exitCode":65,"text":"t","type":"fault"}"#),
        (
            .welcome(welcome),
            #"{"bulkPort":7701,"chunkBytes":64,"configuration":"a: \"x/y\"\nb: ü","creditBytes":128,"datasetFingerprint":"f","generation":7,"gradientBytes":100,"heartbeatSeconds":1,"livenessSeconds":10,"protocolVersion":1,"runID":"00000000000000030000000000000004","sampleCount":9,"type":"welcome","weightsBytes":100}"#
        ),
        (.refuse(exitCode: 78, text: "t"), #"{"exitCode":78,"text":"t","type":"refuse"}"#),
        (.helloAgain, #"{"type":"helloAgain"}"#),
        (.coordinatorHeartbeat(generation: 7, step: nil), #"{"generation":7,"type":"coordinatorHeartbeat"}"#),
        (
            .plan(StepPlan(step: 4, epoch: 1, slots: 8, values: ["lr": 0.1], samplesDigest: "s")),
            #"{"plan":{"epoch":1,"samplesDigest":"s","slots":8,"step":4,"values":{"lr":0.1}},"type":"plan"}"#
        ),
        (.lease(step: 4, block: block, number: 9), #"{"block":{"index":3,"level":2},"number":9,"step":4,"type":"lease"}"#),
        (.revoke(step: 4, block: block, number: 9), #"{"block":{"index":3,"level":2},"number":9,"step":4,"type":"revoke"}"#),
        (.coordinatorCredit(bytes: 8), #"{"bytes":8,"type":"coordinatorCredit"}"#),
        (.bye(exitCode: 0, text: "t"), #"{"exitCode":0,"text":"t","type":"bye"}"#),
    ]

    /// The bytes of every message are those of the document, and come back as the message.
    @Test(arguments: messages.indices) func bytesAreThoseOfTheDocument(number: Int) throws {
        let (message, json) = Self.messages[number]
        let bytes = ControlCodec.encode(message)
        #expect(bytes.first == 1)
        #expect(String(decoding: bytes.dropFirst(), as: UTF8.self) == json)
        #expect(try bytes.withUnsafeBytes { try ControlCodec.decode($0) } == message)
    }

    @Test(arguments: [
        "", "x", "[]", "{}", #"{"type":"teapot"}"#, #"{"type":"credit"}"#, #"{"type":"credit","bytes":1e99}"#,
        #"{"type":"lease","step":1,"block":{"level":40,"index":0}}"#, #"{"type":"hello","process":"zz"}"#,
    ]) func nonsenseIsAnError(json: String) {
        let bytes = [1] + Array(json.utf8)
        #expect(throws: ControlCodec.Failure.self) { try bytes.withUnsafeBytes { try ControlCodec.decode($0) } }
    }
}

@Suite struct BulkBufferTests {
    @Test func memoryIsAlignedAndZero() {
        for count in [0, 1, 1000, 5 << 20] {
            let buffer = BulkBuffer(count: count)
            withExtendedLifetime(buffer) {
                let address = Int(bitPattern: buffer.bytes.baseAddress)
                #expect(address % (count > 4 << 20 ? 2 << 20 : 64) == 0)
                #expect(buffer.bytes.allSatisfy { $0 == 0 } && buffer.bytes.count == count)
            }
        }
    }

    /// A buffer comes back only when nobody else refers to it.
    @Test func thePoolReusesWhatIsFree() {
        var pool = BufferPool(count: 64)
        var first: BulkBuffer? = pool.take()
        let name = first.map { ObjectIdentifier($0) }
        let payload: BulkPayload? = first.map { BulkPayload($0) }
        let second = pool.take()
        #expect(ObjectIdentifier(second) != name)
        first = nil
        #expect(pool.take() !== payload?.owner, "a message still holds the first buffer")
        #expect(withExtendedLifetime((payload, second)) { pool.allocated } == 3)
    }

    @Test func aFreedBufferIsUsedAgain() {
        var pool = BufferPool(count: 64)
        let names = (0..<5).map { _ in ObjectIdentifier(pool.take()) }
        #expect(Set(names).count == 1 && pool.allocated == 1)
    }
}

@Suite struct EndpointTests {
    @Test func partsOfAddresses() throws {
        #expect(try Endpoint("tcp://127.0.0.1:7700").port == 7700)
        #expect(try Endpoint("tcp://[::1]:7700").host == "[::1]")
        #expect(try Endpoint("tcp://head:*").port == nil)
        #expect(try Endpoint("tcp://head:7700").address(port: 7701) == "tcp://head:7701")
        for bad in ["head:7700", "tcp://head", "tcp://:7", "tcp://head:x", "tcp://head:70000", "udp://head:1"] {
            let error = #expect(throws: TransportError.self) { try Endpoint(bad) }
            #expect(error?.exitCode == 64 && error?.description.hasPrefix(bad) == true)
        }
    }
}

@Suite struct MailboxTests {
    /// Everything posted by several threads arrives once, in each thread's order.
    @Test func nothingIsLost() async {
        let mailbox = Mailbox<(Int, Int)>()
        let writers = (0..<4).map { writer in
            Running { for number in 0..<1000 { mailbox.post((writer, number)) } }
        }
        let received = await Running {
            var received: [(Int, Int)] = []
            while received.count < 4000 { received += mailbox.wait() }
            return received
        }.value
        for writer in 0..<4 { #expect(received.filter { $0.0 == writer }.map(\.1) == Array(0..<1000)) }
        for writer in writers { await writer.value }
        #expect(mailbox.drain().isEmpty)
    }
}

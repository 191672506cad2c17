import Checksums
import Fleet
import Foundation
import Testing
import Transport

/// More than a million damaged frames through the parsers and, as far as they can be read, on through both state machines. A crash ends the whole
/// test process; what was being fed then is the last `fuzz` line of the log, and `MVQ_FUZZ_SEED=… MVQ_FUZZ_FRAMES=20000` feeds it again.
///
/// What is checked besides: nothing is ever written or sent outside of its buffer, answers fit into messages, and a correct peer is still served.
@Suite struct FuzzTests {
    static let perSeed = 20_000

    /// Feeds frames in portions with a seed each, noted before.
    static func feed(_ name: String, frames: Int, _ portion: (_ seed: UInt64, _ mutator: inout FrameMutator) throws -> Void) rethrows {
        let environment = ProcessInfo.processInfo.environment
        let first = environment["MVQ_FUZZ_SEED"].flatMap(UInt64.init) ?? 1
        let count = max(1, (environment["MVQ_FUZZ_FRAMES"].flatMap(Int.init) ?? frames) / perSeed)
        for seed in first..<first + UInt64(count) {
            FileHandle.standardError.write(Data("fuzz \(name): seed \(seed)\n".utf8))
            var mutator = FrameMutator(seed: seed)
            try portion(seed, &mutator)
        }
    }

    @Test func controlFramesToTheCoordinator() throws {
        let corpus = FuzzedCoordinator.corpus.map { ControlCodec.encode($0) }
        try Self.feed("coordinator, control", frames: 180_000) { seed, mutator in
            var coordinator = FuzzedCoordinator()
            var read = 0
            for _ in 0..<Self.perSeed {
                let (session, frame) = (coordinator.session(&mutator), mutator.control(corpus))
                do {
                    let message = try frame.withUnsafeBytes { try ControlCodec.decode($0) }
                    read += 1
                    try coordinator.take(.control(message, from: session))
                } catch let failure as ControlCodec.Failure {
                    if case .otherVersion(let version) = failure {
                        try coordinator.take(.otherVersion(version, from: session))
                    } else {
                        try coordinator.take(.malformed(reason: failure.description, from: session))
                    }
                }
            }
            try coordinator.expectService()
            #expect(read > Self.perSeed / 8, "seed \(seed): \(read) frames got as far as the state machine")
        }
    }

    @Test func bulkFramesToTheCoordinator() throws {
        let corpus = FuzzedCoordinator.headers
        try Self.feed("coordinator, bulk", frames: 400_000) { seed, mutator in
            var coordinator = FuzzedCoordinator()
            for _ in 0..<Self.perSeed {
                let session = coordinator.session(&mutator)
                // In between what belongs there: damage is to meet gradients that are nearly complete.
                if let event = FuzzedCoordinator.correct(session, &mutator), mutator.below(4) > 0 { try coordinator.take(event) }
                do {
                    try coordinator.take(.bulk(try Self.damagedHeader(corpus, &mutator), from: session))
                } catch let failure as BulkHeaderCodec.Failure {
                    try coordinator.take(.malformed(reason: failure.description, from: session))
                }
            }
            try coordinator.expectService()
            #expect(coordinator.merged > 0, "seed \(seed): no gradient was ever complete")
        }
    }

    @Test func controlFramesToTheWorker() throws {
        let corpus = FuzzedWorker.corpus.map { ControlCodec.encode($0) }
        try Self.feed("worker, control", frames: 160_000) { seed, mutator in
            var worker = FuzzedWorker()
            var read = 0
            for _ in 0..<Self.perSeed {
                let frame = mutator.control(corpus)
                do {
                    let message = try frame.withUnsafeBytes { try ControlCodec.decode($0) }
                    read += 1
                    try worker.take(.control(message), &mutator)
                } catch let failure as ControlCodec.Failure {
                    try worker.take(.malformed(reason: failure.description), &mutator)
                }
            }
            #expect(read > Self.perSeed / 8, "seed \(seed): \(read) frames got as far as the state machine")
        }
    }

    @Test func bulkFramesToTheWorker() throws {
        let corpus = FuzzedWorker.headers
        try Self.feed("worker, bulk", frames: 400_000) { seed, mutator in
            var worker = FuzzedWorker()
            for _ in 0..<Self.perSeed {
                do {
                    try worker.take(.bulk(try Self.damagedHeader(corpus, &mutator)), &mutator)
                } catch let failure as BulkHeaderCodec.Failure {
                    try worker.take(.malformed(reason: failure.description), &mutator)
                }
            }
        }
    }

    /// A header as the codec reads it: three in four have impossible fields and right checksums, the others damaged bytes.
    private static func damagedHeader(_ corpus: [BulkHeader], _ mutator: inout FrameMutator) throws -> BulkHeader {
        var header = mutator.header(corpus)
        var payload = [UInt8](repeating: 7, count: min(header.payloadBytes, 64))
        header.payloadChecksum = payload.withUnsafeBytes { CRC32C.checksum($0) }
        var bytes = BulkHeaderCodec.encode(header)
        if mutator.below(4) == 0 { (bytes, payload) = mutator.bulk(bytes, payload) }
        do {
            return try bytes.withUnsafeBytes { bytes in
                try payload.withUnsafeBytes { payload in try BulkHeaderCodec.decode(bytes, payload: payload) }
            }
        } catch BulkHeaderCodec.Failure.wrongPayloadLength where mutator.below(2) == 0 {
            // The payload that was announced, too large to make a million times.
            return header
        }
    }
}

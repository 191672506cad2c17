import Chaos
import Foundation
import TensorCore
import Testing

/// One direction of a proxied link, driven by a clock of the test's own.
@Suite struct LinkPumpTests {
    /// A pump between two socket pairs: bytes written to `input` come out of `output`.
    private final class Bench {
        let input: Int32
        let output: Int32
        var pump: LinkPump

        init(seed: UInt64 = 1) {
            var (near, far): ([Int32], [Int32]) = ([0, 0], [0, 0])
            precondition(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &near) == 0 && socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &far) == 0)
            for descriptor in near + far { _ = fcntl(descriptor, F_SETFL, O_NONBLOCK) }
            (input, output) = (near[0], far[1])
            pump = LinkPump(from: near[1], to: far[0], random: Philox(seed: seed, domain: "test"), stream: 0)
        }

        deinit { for descriptor in [input, output, pump.source, pump.destination] { close(descriptor) } }

        func read(_ conditions: LinkConditions = LinkConditions(), isBulk: Bool = false, now: Double) -> Bool {
            pump.read(conditions, isBulk: isBulk, now: now)
        }

        func write(_ conditions: LinkConditions = LinkConditions(), now: Double) -> Bool { pump.write(conditions, now: now) }

        func give(_ bytes: [UInt8]) { #expect(send(input, bytes, bytes.count, 0) == bytes.count) }

        func take() -> [UInt8] {
            var buffer = [UInt8](repeating: 0, count: 1 << 17)
            let count = recv(output, &buffer, buffer.count, 0)
            return Array(buffer.prefix(max(0, count)))
        }
    }

    private static let words: [UInt8] = (0..<4000).map { UInt8(truncatingIfNeeded: $0 * 7) }

    @Test func aPerfectLinkPassesBytesAtOnce() {
        let bench = Bench()
        bench.give(Self.words)
        #expect(bench.read(isBulk: true, now: 5) && bench.write(now: 5))
        let same = bench.take() == Self.words
        #expect(same)
    }

    @Test func aDelayHoldsPiecesBackAndKeepsTheirOrder() {
        let bench = Bench()
        var conditions = LinkConditions()
        conditions.delay = 0.1...0.3
        for piece in 0..<10 {
            bench.give([UInt8(piece)])
            #expect(bench.read(conditions, now: 1 + Double(piece) * 0.01))
        }
        #expect(bench.write(conditions, now: 1.0999) && bench.take() == [], "nothing sooner than the least delay")
        var came: [UInt8] = []
        for moment in stride(from: 1.1, through: 1.39, by: 0.01) {
            #expect(bench.write(conditions, now: moment))
            came += bench.take()
        }
        #expect(bench.write(conditions, now: 1.391))
        came += bench.take()
        #expect(came == Array(0..<10), "all of them after the longest")
    }

    @Test func aRateIsKept() {
        let bench = Bench()
        var conditions = LinkConditions()
        conditions.bytesPerSecond = 1000
        bench.give(Self.words)
        #expect(bench.read(conditions, now: 10))
        var came = 0
        for second in 0...4 {
            #expect(bench.write(conditions, now: 10 + Double(second)))
            came += bench.take().count
            #expect(came == 1000 * second)
        }
    }

    /// Counted apart: of what came out, so many bits differ.
    @Test(arguments: [1, 2, 3] as [UInt64]) func flippedBitsAreCounted(seed: UInt64) {
        let bench = Bench(seed: seed)
        var conditions = LinkConditions()
        conditions.corruptedBytes = 2000
        var (differing, pieces) = (0, 0)
        for _ in 0..<50 {
            bench.give(Array(Self.words.prefix(1000)))
            #expect(bench.read(conditions, isBulk: true, now: 0) && bench.write(conditions, now: 0))
            let bits = zip(bench.take(), Self.words).map { ($0 ^ $1).nonzeroBitCount }
            differing += bits.reduce(0, +)
            pieces += bits.count
        }
        #expect(pieces == 50_000 && differing == bench.pump.flips)
        #expect((10...40).contains(differing), "of 50 pieces, half are expected to be hit")
        bench.give(Self.words)
        let before = bench.pump.flips
        #expect(bench.read(conditions, now: 0) && bench.pump.flips == before, "control messages stay whole")
    }

    @Test func aSwallowedLinkIsSilentAndHasNoEnd() {
        let bench = Bench()
        bench.give(Self.words)
        #expect(bench.read(now: 0))
        bench.pump.swallow()
        bench.give(Self.words)
        shutdown(bench.input, Int32(SHUT_WR))
        while !bench.pump.sourceEnded { #expect(bench.read(now: 1)) }
        #expect(bench.write(now: 2) && !bench.pump.isFinished)
        var byte: UInt8 = 0
        #expect(recv(bench.output, &byte, 1, 0) == -1 && errno == EAGAIN, "neither bytes nor an end")
    }

    @Test func anEndIsPassedOnBehindTheLastByte() {
        let bench = Bench()
        bench.give([1, 2, 3])
        shutdown(bench.input, Int32(SHUT_WR))
        while !bench.pump.sourceEnded { #expect(bench.read(now: 0)) }
        #expect(bench.write(now: 0) && bench.pump.isFinished)
        #expect(bench.take() == [1, 2, 3])
        var byte: UInt8 = 0
        #expect(recv(bench.output, &byte, 1, 0) == 0)
    }
}

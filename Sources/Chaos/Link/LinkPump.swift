import Glibc
import TensorCore

/// One direction of a connection: what came in waits for its time, and for its share of the link.
package struct LinkPump {
    /// Nothing is read while more than this waits: the sender feels the link as it would a real one.
    private static let mostWaiting = 1 << 20

    package let source: Int32
    package let destination: Int32
    private var queue: [(due: Double, bytes: ArraySlice<UInt8>)] = []
    private var waiting = 0
    private var lastDue = 0.0
    /// Bytes that the rate allows at `since`.
    private var allowance = 0.0
    private var since: Double?
    private var pieces = 0
    package private(set) var sourceEnded = false
    package private(set) var isFinished = false
    /// What comes is thrown away, and no end is passed on.
    package var isSwallowed = false
    /// Bits flipped so far.
    package private(set) var flips = 0
    private let random: Philox
    private let stream: Int

    /// - Parameter stream: tells the draws of this direction from those of others.
    package init(from source: Int32, to destination: Int32, random: Philox, stream: Int) {
        self.source = source
        self.destination = destination
        self.random = random
        self.stream = stream
    }

    package var wantsToRead: Bool { !sourceEnded && (isSwallowed || waiting < LinkPump.mostWaiting) }

    /// When something can be sent, in seconds; nil when nothing waits.
    package func nextDue(_ conditions: LinkConditions) -> Double? {
        guard let first = queue.first, !isFinished else { return nil }
        guard let rate = conditions.bytesPerSecond, let since else { return first.due }
        return max(first.due, since + max(0, 1500 - allowance) / rate)
    }

    /// Takes in what has come. False when the connection is broken.
    package mutating func read(_ conditions: LinkConditions, isBulk: Bool, now: Double) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        let count = Glibc.read(source, &buffer, buffer.count)
        if count < 0, errno == EAGAIN || errno == EINTR { return true }
        if count < 0 {
            sourceEnded = true
            return isSwallowed
        }
        if count == 0 {
            sourceEnded = true
            return true
        }
        if isSwallowed { return true }
        pieces += 1
        func draw(_ number: Int) -> Double { random.uniform(step: pieces, sample: stream, draw: number) }
        var delay = conditions.delay.lowerBound + draw(0) * (conditions.delay.upperBound - conditions.delay.lowerBound)
        if draw(1) < conditions.stallShare { delay += conditions.stallSeconds }
        if isBulk, let every = conditions.corruptedBytes, draw(2) < Double(count) / every {
            buffer[Int(draw(3) * Double(count))] ^= UInt8(1) << UInt8(draw(4) * 8)
            flips += 1
        }
        lastDue = max(lastDue, now + delay)
        queue.append((lastDue, buffer[..<count]))
        waiting += count
        return true
    }

    /// Sends what is due. False when the connection is broken.
    package mutating func write(_ conditions: LinkConditions, now: Double) -> Bool {
        if let rate = conditions.bytesPerSecond {
            allowance = min(16_384, allowance + rate * (now - (since ?? now)))
            since = now
        }
        while let first = queue.first, first.due <= now {
            var most = first.bytes.count
            if conditions.bytesPerSecond != nil { most = min(most, Int(allowance)) }
            guard most > 0 else { return true }
            let count = first.bytes.withUnsafeBytes { Glibc.send(destination, $0.baseAddress, most, Int32(MSG_NOSIGNAL)) }
            if count < 0 { return errno == EAGAIN || errno == EINTR }
            waiting -= count
            if conditions.bytesPerSecond != nil { allowance -= Double(count) }
            queue[0].bytes = first.bytes.dropFirst(count)
            if queue[0].bytes.isEmpty { queue.removeFirst() }
        }
        if sourceEnded, queue.isEmpty, !isSwallowed, !isFinished {
            shutdown(destination, Int32(SHUT_WR))
            isFinished = true
        }
        return true
    }

    /// Forgets what has come and lets nothing more through.
    package mutating func swallow() {
        isSwallowed = true
        queue = []
        waiting = 0
    }
}

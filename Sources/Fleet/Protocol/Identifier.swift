/// A 128-bit identifier, written as 32 lower-case hexadecimal digits; `Kind` keeps run ids and session ids apart.
public struct Identifier<Kind>: Hashable, Sendable, CustomStringConvertible {
    /// The first 16 hexadecimal digits.
    public let high: UInt64
    /// The last 16 hexadecimal digits.
    public let low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Reads exactly 32 lower-case hexadecimal digits; nil for anything else.
    public init?(_ text: String) {
        let digits = Array(text.utf8)
        guard digits.count == 32 else { return nil }
        var halves: (UInt64, UInt64) = (0, 0)
        for (position, digit) in digits.enumerated() {
            let value: UInt64
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = UInt64(digit - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = UInt64(digit - UInt8(ascii: "a")) + 10
            default: return nil
            }
            if position < 16 { halves.0 = halves.0 << 4 | value } else { halves.1 = halves.1 << 4 | value }
        }
        self.init(high: halves.0, low: halves.1)
    }

    /// The 32 hexadecimal digits.
    public var description: String {
        [high, low].map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    /// The first eight digits, for log lines.
    public var short: String { String(description.prefix(8)) }
}

extension Identifier: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = Identifier(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "an identifier has 32 lower-case hexadecimal digits, not \(text.count) characters")
        }
        self = value
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// What a `RunID` identifies: one training run, through all its restarts.
public enum Run {}
/// What a `SessionID` identifies: one connection of a worker, or (as `Hello.process`) one worker process.
public enum Session {}

/// One training run, through all its restarts.
public typealias RunID = Identifier<Run>
/// One connection of a worker. A worker that reconnects gets a new one, so nothing of an old connection can be mistaken for the new.
public typealias SessionID = Identifier<Session>

extension Identifier where Kind == Session {
    /// The session of a worker process's n-th attempt to connect: a keyed permutation of the process's own random id.
    package static func derived(from process: SessionID, attempt: Int) -> SessionID {
        let tweak = UInt64(truncatingIfNeeded: attempt)
        return SessionID(
            high: mix(process.high ^ mix(tweak)), low: mix(process.low &+ mix(tweak ^ 0x5e55_1090_0000_0001)))
    }

    /// A number in [0, 1) that depends on this identifier alone.
    package var fraction: Double { Double(mix(high ^ mix(low)) >> 11) * 0x1p-53 }
}

/// The splitmix64 finaliser: a bijection of 64-bit words that spreads every bit.
package func mix(_ word: UInt64) -> UInt64 {
    var z = word &+ 0x9e37_79b9_7f4a_7c15
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
}

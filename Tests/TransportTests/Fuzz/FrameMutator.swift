import Fleet
import Transport

/// Damages frames: bits, lengths, tokens, fields. Everything follows from the seed.
struct FrameMutator {
    private var state: UInt64

    init(seed: UInt64) { state = mix(seed ^ 0xf0_22) }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        return mix(state)
    }

    /// A number in 0 ..< bound.
    mutating func below(_ bound: Int) -> Int { bound <= 1 ? 0 : Int(next() % UInt64(bound)) }

    mutating func pick<Element>(_ choices: [Element]) -> Element { choices[below(choices.count)] }

    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }

    // MARK: Any bytes

    private mutating func damage(_ bytes: [UInt8], with other: [UInt8]) -> [UInt8] {
        var bytes = bytes
        switch below(6) {
        case 0:
            guard !bytes.isEmpty else { return [UInt8(truncatingIfNeeded: next())] }
            for _ in 0...below(4) { bytes[below(bytes.count)] ^= 1 << UInt8(below(8)) }
        case 1: bytes.removeLast(below(bytes.count + 1))
        case 2: bytes = bytes.prefix(below(bytes.count + 1)) + other.suffix(below(other.count + 1))
        case 3: bytes.insert(contentsOf: self.bytes(1 + below(8)), at: below(bytes.count + 1))
        case 4:
            let start = below(bytes.count + 1)
            bytes.removeSubrange(start..<min(bytes.count, start + 1 + below(8)))
        default: bytes = self.bytes(below(96))
        }
        return bytes
    }

    // MARK: Control frames

    /// What a JSON value can be replaced by: limits of integers, numbers that are none, other kinds of values, awkward texts.
    private static let values: [[UInt8]] = integers + [
        "9223372036854775808", "18446744073709551615", "1e400", "-1e308", "0.5", "1e-999", "null", "true", "[]", "{}", "[-1]", "[0,1,2,3,4,5,6,7,8,9]",
        "\"\"", "\"nan\"", "\"-inf\"", "\"\\u0000\\n\\u202e\"", "\"\\ud800\"", "\"00000000000000000000000000000000\"", "\"computing\"",
        "\"e\\u0301\\u0301\\u0301\\u0301\"", "{\"level\":31,\"index\":2147483647}", "{\"level\":0,\"index\":-1}", "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
    ].map { Array($0.utf8) }
    private static let integers: [[UInt8]] = [
        "0", "-1", "1", "2", "3", "8", "16", "60", "100", "2147483648", "4294967296", "4611686018427387904", "9223372036854775807",
        "-9223372036854775808",
    ].map { Array($0.utf8) }
    private static let long = [UInt8(ascii: "\"")] + [UInt8](repeating: UInt8(ascii: "x"), count: 3000) + [UInt8(ascii: "\"")]

    /// A damaged control frame: mostly JSON that can still be read, with a value that should not be there.
    mutating func control(_ corpus: [[UInt8]]) -> [UInt8] {
        let frame = pick(corpus)
        guard below(3) > 0, let value = valueRange(in: frame) else { return damage(frame, with: pick(corpus)) }
        // Where a number was, mostly another number: that can be read, and goes on into the state machines.
        let isNumber = frame[value.lowerBound] == UInt8(ascii: "-") || (48...57).contains(frame[value.lowerBound])
        let replacement = below(200) == 0 ? Self.long : pick(isNumber && below(4) > 0 ? Self.integers : Self.values)
        return frame[..<value.lowerBound] + replacement + frame[value.upperBound...]
    }

    /// The place of one of the values in a flat JSON object: what follows a colon, up to the next comma or brace.
    private mutating func valueRange(in frame: [UInt8]) -> Range<Int>? {
        let colons = frame.indices.filter { frame[$0] == UInt8(ascii: ":") }
        guard !colons.isEmpty else { return nil }
        let start = pick(colons) + 1
        var (end, depth, isText) = (start, 0, false)
        while end < frame.count {
            let byte = frame[end]
            if byte == UInt8(ascii: "\""), frame[end - 1] != UInt8(ascii: "\\") { isText.toggle() }
            if !isText {
                if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") { depth += 1 }
                if byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") {
                    if depth == 0 { break }
                    depth -= 1
                }
                if byte == UInt8(ascii: ","), depth == 0 { break }
            }
            end += 1
        }
        return start..<end
    }

    // MARK: Bulk frames

    private static let numbers = [
        0, 1, 2, 3, 7, 8, 31, 32, 63, 64, 1 << 16, 1 << 31, 1 << 32 - 1, 1 << 32, 1 << 62 - 1, 1 << 61, Int(Int32.max), Int(UInt32.max) - 1,
    ]

    /// A header with fields that should not be there, its checksum right: it reaches the state machines.
    mutating func header(_ corpus: [BulkHeader]) -> BulkHeader {
        var header = pick(corpus)
        for _ in 0...below(2) {
            let number = below(2) == 0 ? pick(Self.numbers) : below(1 << 12)
            let narrow = min(number, Int(UInt32.max))
            switch below(13) {
            case 0: header.step = number
            case 1: header.index = number
            case 2: header.level = narrow
            case 3: header.chunk = narrow
            case 4: header.chunkCount = narrow
            case 5: header.offset = number
            case 6: header.payloadBytes = narrow
            case 7: header.totalBytes = number
            case 8: header.kind = pick(BulkKind.allCases)
            case 9: header.generation = UInt64(number)
            case 10: header.session = pick(corpus).session
            case 11: header.runID = RunID(high: next(), low: 0)
            default: break
            }
        }
        return header
    }

    /// Damaged bytes of a header and its payload, checksums as they were.
    mutating func bulk(_ header: [UInt8], _ payload: [UInt8]) -> (header: [UInt8], payload: [UInt8]) {
        below(4) == 0 ? (header, damage(payload, with: header)) : (damage(header, with: payload), payload)
    }
}

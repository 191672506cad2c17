/// What is wrong with a safetensors header.
struct HeaderProblem: Error, Equatable {
    let text: String

    init(_ text: String) { self.text = text }
}

/// Reads the JSON of a safetensors header, which is objects, texts, and arrays of whole numbers, and nothing else. Strict: what it accepts every
/// JSON reader understands in the same way.
struct HeaderScanner {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Skips white space; the next byte, nil at the end.
    mutating func peek() -> UInt8? {
        while position < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[position]) { position += 1 }
        return position < bytes.count ? bytes[position] : nil
    }

    /// Takes one punctuation mark.
    mutating func take(_ character: Character) throws(HeaderProblem) {
        guard let wanted = character.asciiValue, peek() == wanted else { throw unexpected("'\(character)'") }
        position += 1
    }

    /// Takes one punctuation mark if it comes next.
    mutating func takes(_ character: Character) -> Bool {
        guard let wanted = character.asciiValue, peek() == wanted else { return false }
        position += 1
        return true
    }

    /// `{ "key": value, … }`; `member` reads the value. A key that comes twice is a problem.
    mutating func object(_ member: (inout HeaderScanner, String) throws(HeaderProblem) -> Void) throws(HeaderProblem) {
        try take("{")
        if takes("}") { return }
        var keys: Set<String> = []
        repeat {
            let key = try text()
            guard keys.insert(key).inserted else { throw HeaderProblem("its header holds \(printable(key)) twice") }
            try take(":")
            try member(&self, key)
        } while takes(",")
        try take("}")
    }

    /// `[n, …]` of whole numbers that are not negative.
    mutating func integers() throws(HeaderProblem) -> [Int] {
        try take("[")
        var numbers: [Int] = []
        if takes("]") { return numbers }
        repeat { numbers.append(try integer()) } while takes(",")
        try take("]")
        return numbers
    }

    /// A text in quotes.
    mutating func text() throws(HeaderProblem) -> String {
        try take("\"")
        var units: [UInt8] = []
        while true {
            guard position < bytes.count else { throw HeaderProblem("its header ends within a text") }
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: units, as: UTF8.self) else { throw HeaderProblem("a text of its header is not UTF-8") }
                return text
            case UInt8(ascii: "\\"): units += Array(String(try escaped()).utf8)
            case 0..<0x20: throw HeaderProblem("a text of its header holds a control character at byte \(position + 7)")
            default: units.append(byte)
            }
        }
    }

    /// Nothing but white space may follow.
    mutating func end() throws(HeaderProblem) {
        if peek() != nil { throw unexpected("the end") }
    }

    private mutating func integer() throws(HeaderProblem) -> Int {
        guard peek() != nil else { throw unexpected("a whole number") }
        let start = position
        var number = 0
        while position < bytes.count, (0x30...0x39).contains(bytes[position]) {
            let (product, overflow) = number.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(Int(bytes[position] - 0x30))
            guard !overflow, !carry else { throw HeaderProblem("its header holds a number of more than 63 bits") }
            number = sum
            position += 1
        }
        let follows = position < bytes.count ? bytes[position] : 0
        let isFraction = [UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E")].contains(follows)
        guard position > start, position == start + 1 || bytes[start] != 0x30, !isFraction else { throw unexpected("a whole number", at: start) }
        return number
    }

    private mutating func escaped() throws(HeaderProblem) -> Unicode.Scalar {
        guard position < bytes.count else { throw HeaderProblem("its header ends within a text") }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            let first = try hexadecimal()
            if let scalar = Unicode.Scalar(first) { return scalar }
            // A pair of surrogates.
            guard (0xD800..<0xDC00).contains(first), position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
                bytes[position + 1] == UInt8(ascii: "u")
            else { throw HeaderProblem("a text of its header holds half a character") }
            position += 2
            let second = try hexadecimal()
            guard (0xDC00..<0xE000).contains(second), let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)) else {
                throw HeaderProblem("a text of its header holds half a character")
            }
            return scalar
        default: throw HeaderProblem("a text of its header holds an unknown escape")
        }
    }

    private mutating func hexadecimal() throws(HeaderProblem) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard position < bytes.count, let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue, bytes[position] < 0x80 else {
                throw HeaderProblem("a text of its header holds an unknown escape")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    /// `place` counts from the start of the header; the length before it has 8 bytes.
    private func unexpected(_ wanted: String, at place: Int? = nil) -> HeaderProblem {
        let place = place ?? position
        guard place < bytes.count else { return HeaderProblem("its header ends where \(wanted) is expected") }
        return HeaderProblem("its header has no \(wanted) at byte \(place + 8)")
    }
}

/// A name from a foreign file, fit for one line of a terminal: characters that steer it are shown as `?`, and very long names are cut.
package func printable(_ name: String) -> String {
    let steering: Set<Unicode.GeneralCategory> = [.control, .format, .lineSeparator, .paragraphSeparator]
    let shown = String(
        String.UnicodeScalarView(name.unicodeScalars.prefix(200).map { steering.contains($0.properties.generalCategory) ? "?" : $0 }))
    return shown.unicodeScalars.count < name.unicodeScalars.count ? shown + "…" : shown
}

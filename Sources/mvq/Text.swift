import Foundation

extension String {
    /// Filled up with spaces on the right to a number of characters; longer ones stay.
    func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }

    func containsIgnoringCase(_ part: String) -> Bool { range(of: part, options: .caseInsensitive) != nil }

    /// Filled up with spaces on the left.
    func leftPadded(to width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }
}

/// `62 666 578`
func grouped(_ number: Int) -> String {
    let digits = Array(String(number))
    var text = ""
    for (i, digit) in digits.enumerated() {
        if i > 0, (digits.count - i) % 3 == 0 { text.append(" ") }
        text.append(digit)
    }
    return text
}

/// Prints a value as JSON with sorted keys in snake case.
func printJSON(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    print(String(decoding: try encoder.encode(value), as: UTF8.self))
}

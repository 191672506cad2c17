import Foundation

/// One value of a metrics record.
public enum MetricValue: Equatable, Sendable, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral
{
    case integer(Int)
    case double(Double)
    case string(String)
    case bool(Bool)
    case list([MetricValue])

    /// A float32 by its shortest decimal: 0.1 stays 0.1.
    public static func float(_ value: Float) -> MetricValue {
        .double(value.isFinite ? Double("\(value)") ?? Double(value) : Double(value))
    }

    public init(integerLiteral value: Int) { self = .integer(value) }
    public init(floatLiteral value: Double) { self = .double(value) }
    public init(stringLiteral value: String) { self = .string(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(arrayLiteral elements: MetricValue...) { self = .list(elements) }

    /// The value as JSON. JSON has no NaN and no infinity: they become the texts "NaN", "Infinity" and "-Infinity", which
    /// `float()` of Python and `Number()` of JavaScript turn back into numbers, where null would hide what happened.
    var json: String {
        switch self {
        case .integer(let value): "\(value)"
        case .double(let value) where value.isNaN: "\"NaN\""
        case .double(let value) where value.isInfinite: value < 0 ? "\"-Infinity\"" : "\"Infinity\""
        case .double(let value): "\(value)"
        case .string(let value): Self.quoted(value)
        case .bool(let value): value ? "true" : "false"
        case .list(let values): "[" + values.map(\.json).joined(separator: ",") + "]"
        }
    }

    /// A JSON text: quotes, backslashes and control characters escaped.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

/// Metrics as JSON lines: one object a line, one line a step, keys sorted, so that equal runs give equal bytes.
///
/// ```swift
/// let log = MetricsLog { try file.append($0) }
/// try log.record(step: 120, ["loss": 0.412, "loss/l1": 0.31, "images_per_second": 31.2])
/// // {"images_per_second":31.2,"loss":0.412,"loss/l1":0.31,"step":120}
/// ```
public struct MetricsLog {
    private let write: (String) throws -> Void

    /// - Parameter write: takes one line without its line end, e.g. the `append` of a file that keeps lines whole.
    public init(write: @escaping (String) throws -> Void) {
        self.write = write
    }

    /// Writes the record of one step. Throws what `write` throws.
    public func record(step: Int, _ values: [String: MetricValue]) throws {
        try write(Self.line(step: step, values))
    }

    /// The line of one step.
    public static func line(step: Int, _ values: [String: MetricValue]) -> String {
        precondition(values["step"] == nil, "the step is given on its own")
        var values = values
        values["step"] = .integer(step)
        let fields = values.sorted { $0.key < $1.key }.map { MetricValue.quoted($0.key) + ":" + $0.value.json }
        return "{" + fields.joined(separator: ",") + "}"
    }

    /// The step of a line; nil when it is no record. A resumed run cuts the log before the first step that it does again.
    public static func step(ofLine line: String) -> Int? {
        struct Record: Decodable { let step: Int }
        return try? JSONDecoder().decode(Record.self, from: Data(line.utf8)).step
    }
}

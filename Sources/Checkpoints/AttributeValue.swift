/// One named value of a checkpoint's `/state` group.
public enum AttributeValue: Equatable, Sendable, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByStringLiteral
{
    /// Stored as a 64-bit integer.
    case integer(Int)
    /// Stored as float64.
    case double(Double)
    /// Stored as UTF-8 text of any length; must not contain the NUL character.
    case string(String)

    public init(integerLiteral value: Int) { self = .integer(value) }
    public init(floatLiteral value: Double) { self = .double(value) }
    public init(stringLiteral value: String) { self = .string(value) }

    /// The integer, nil for another kind.
    public var integer: Int? { if case .integer(let value) = self { value } else { nil } }
    /// The float64 number (an integer is converted), nil for text.
    public var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .double(let value): value
        case .string: nil
        }
    }
    /// The text, nil for a number.
    public var string: String? { if case .string(let value) = self { value } else { nil } }

    /// Kind and exact value as text, for digests: equal for equal bits only.
    package var canonicalText: String {
        switch self {
        case .integer(let value): "integer \(value)"
        case .double(let value): "double \(String(value.bitPattern, radix: 16))"
        case .string(let value): "string \(value.utf8.count) \(value)"
        }
    }
}

extension AttributeValue: Encodable {
    /// A number or a text, as plain JSON writes it; a float64 that JSON cannot express becomes its description.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .integer(let value): try container.encode(value)
        case .double(let value) where value.isFinite: try container.encode(value)
        case .double(let value): try container.encode("\(value)")
        case .string(let value): try container.encode(value)
        }
    }
}

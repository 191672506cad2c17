/// A value that stands after one key of a configuration file.
protocol ConfigurationScalar {
    /// What is expected, e.g. "a whole number".
    static var expectation: String { get }
    /// From YAML text, or nil if it is something else.
    init?(yaml: ConfigurationText)
    /// The value as YAML.
    var yaml: String { get }
}

/// The text of a value as it stands in a file: one scalar, or a list of them.
enum ConfigurationText: Equatable {
    case scalar(String)
    case list([String])
}

/// Goes over the fields of a configuration, either to set them from a file or to write them down. A configuration names its fields once, in
/// `visit`, and both directions follow from that.
protocol ConfigurationVisitor {
    func field<Value: ConfigurationScalar>(_ key: String, _ value: inout Value) throws
    func section(_ key: String, _ body: (any ConfigurationVisitor) throws -> Void) throws
    /// A complaint about a field: "<dotted key> <problem>", and where it stands.
    func invalid(_ key: String, _ problem: String) -> ConfigurationError
}

extension ConfigurationVisitor {
    /// A field whose value must satisfy a condition; the requirement stands in the complaint: "training.slots is 3, but it must be …".
    func field<Value: ConfigurationScalar>(
        _ key: String, _ value: inout Value, must requirement: String, _ holds: (Value) -> Bool
    ) throws {
        try field(key, &value)
        guard holds(value) else { throw invalid(key, "is \(value.yaml), but it must be \(requirement)") }
    }
}

extension Int: ConfigurationScalar {
    static var expectation: String { "a whole number" }
    init?(yaml: ConfigurationText) {
        guard case .scalar(let text) = yaml, let value = Int(text) else { return nil }
        self = value
    }
    var yaml: String { String(self) }
}

extension Double: ConfigurationScalar {
    static var expectation: String { "a number" }
    init?(yaml: ConfigurationText) {
        guard case .scalar(let text) = yaml, let value = Double(text), value.isFinite else { return nil }
        self = value
    }
    var yaml: String { description }
}

extension Bool: ConfigurationScalar {
    static var expectation: String { "true or false" }
    init?(yaml: ConfigurationText) {
        guard case .scalar(let text) = yaml, let value = Bool(text) else { return nil }
        self = value
    }
    var yaml: String { description }
}

extension String: ConfigurationScalar {
    static var expectation: String { "a word" }
    init?(yaml: ConfigurationText) {
        guard case .scalar(let text) = yaml else { return nil }
        self = text
    }
    var yaml: String { self }
}

extension [Int]: ConfigurationScalar {
    static var expectation: String { "a list of whole numbers, e.g. [1, 2, 4]" }
    init?(yaml: ConfigurationText) {
        guard case .list(let texts) = yaml else { return nil }
        let values = texts.compactMap(Int.init)
        guard values.count == texts.count else { return nil }
        self = values
    }
    var yaml: String { "[" + map(String.init).joined(separator: ", ") + "]" }
}

extension Optional: ConfigurationScalar where Wrapped: ConfigurationScalar {
    static var expectation: String { "\(Wrapped.expectation), or none" }
    init?(yaml: ConfigurationText) {
        if yaml == .scalar("none") {
            self = .none
        } else if let value = Wrapped(yaml: yaml) {
            self = value
        } else {
            return nil
        }
    }
    var yaml: String { map(\.yaml) ?? "none" }
}

/// A choice among words.
protocol ConfigurationChoice: ConfigurationScalar, CaseIterable, RawRepresentable where RawValue == String {}

extension ConfigurationChoice {
    static var expectation: String { "one of " + allCases.map(\.rawValue).joined(separator: ", ") }
    init?(yaml: ConfigurationText) {
        guard case .scalar(let text) = yaml else { return nil }
        self.init(rawValue: text)
    }
    var yaml: String { rawValue }
}

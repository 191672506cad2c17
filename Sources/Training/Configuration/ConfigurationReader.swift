import Yams

/// Sets a configuration's fields from a YAML file and `--set key=value` overrides, strictly: unknown keys and wrong kinds are errors that name
/// file and line.
struct ConfigurationReader: ConfigurationVisitor {
    private let file: String
    private let path: String
    private let mapping: Node.Mapping
    private let overrides: [String: String]

    /// Reads `text`, the contents of `file`, into `configuration`; fields that the file leaves out keep their values.
    static func read<Configuration>(
        _ text: String, file: String, overrides: [(key: String, value: String)], into configuration: inout Configuration,
        visit: (inout Configuration, any ConfigurationVisitor) throws -> Void
    ) throws {
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw ConfigurationError(file, "not valid YAML: " + "\(error)".split(separator: "\n").joined(separator: " "))
        }
        guard let mapping = root?.mapping else {
            throw ConfigurationError(file, "must hold keys and values, e.g. 'seed: 1'; take a file of configs/ as a start")
        }
        let known = try ConfigurationWriter.entries(of: configuration, visit: visit).map(\.key)
        let reader = ConfigurationReader(
            file: file, path: "", mapping: mapping, overrides: Dictionary(overrides.map { ($0.key, $0.value) }) { $1 })
        // Before the values: a misspelt key explains most values that fail a check.
        try reader.checkKeys(known)
        for (key, value) in overrides where !known.contains(key) {
            throw ConfigurationError("--set \(key)=\(value)", unknown(key, known))
        }
        var result = configuration
        try visit(&result, reader)
        configuration = result
    }

    /// One field at the top of a configuration, which says how to read the rest; nil if it is not there, or if the text is no configuration.
    static func field<Value: ConfigurationScalar>(
        _ key: String, of text: String, file: String, overrides: [(key: String, value: String)], as kind: Value.Type
    ) throws -> Value? {
        let mapping = (try? Yams.compose(yaml: text))?.mapping
        guard let mapping, mapping[key] != nil || overrides.contains(where: { $0.key == key }) else { return nil }
        let reader = ConfigurationReader(file: file, path: "", mapping: mapping, overrides: Dictionary(overrides.map { ($0.key, $0.value) }) { $1 })
        // Read as an optional, so that there is something to begin with.
        var value: Value?
        try reader.field(key, &value)
        return value
    }

    func field<Value: ConfigurationScalar>(_ key: String, _ value: inout Value) throws {
        if let text = overrides[path + key] {
            let node = try? Yams.compose(yaml: text)
            guard let parsed = node.flatMap(ConfigurationReader.text(of:)).flatMap({ Value(yaml: $0) }) else {
                throw ConfigurationError("--set \(path)\(key)=\(text)", "expected \(Value.expectation)")
            }
            value = parsed
        } else if let node = mapping[key] {
            guard let parsed = ConfigurationReader.text(of: node).flatMap({ Value(yaml: $0) }) else {
                throw ConfigurationError(place(of: node), "\(path)\(key) must be \(Value.expectation)")
            }
            value = parsed
        }
    }

    func section(_ key: String, _ body: (any ConfigurationVisitor) throws -> Void) throws {
        let node = mapping[key]
        if let node, node.mapping == nil {
            throw ConfigurationError(place(of: node), "\(path)\(key) must hold keys of its own, indented below it")
        }
        try body(
            ConfigurationReader(file: file, path: path + key + ".", mapping: node?.mapping ?? Node.Mapping([]), overrides: overrides))
    }

    func invalid(_ key: String, _ problem: String) -> ConfigurationError {
        let problem = "\(path)\(key) \(problem)"
        if let text = overrides[path + key] { return ConfigurationError("--set \(path)\(key)=\(text)", problem) }
        return ConfigurationError(mapping[key].map(place(of:)) ?? file, problem)
    }

    /// Complains about the first key that is not the path of a field or of a section.
    private func checkKeys(_ known: [String]) throws {
        for (key, value) in mapping {
            let name = path + (key.string ?? "\(key)")
            if known.contains(where: { $0.hasPrefix(name + ".") }) {
                guard let inner = value.mapping else { continue }
                try ConfigurationReader(file: file, path: name + ".", mapping: inner, overrides: [:]).checkKeys(known)
            } else if !known.contains(name) {
                throw ConfigurationError(place(of: key), ConfigurationReader.unknown(name, known))
            }
        }
    }

    private static func unknown(_ key: String, _ known: [String]) -> String {
        if let inner = known.first(where: { $0.hasPrefix(key + ".") }) { return "'\(key)' holds keys of its own; name one, e.g. '\(inner)'" }
        let sections = known.flatMap { path in path.indices.filter { path[$0] == "." }.map { String(path[..<$0]) } }
        let mend = nearest(to: key, among: known + sections).map { "did you mean '\($0)'?" } ?? "see configs/ for the known keys"
        return "unknown key '\(key)'; \(mend)"
    }

    private static func text(of node: Node) -> ConfigurationText? {
        if let scalar = node.scalar { return .scalar(scalar.string) }
        guard let sequence = node.sequence else { return nil }
        let texts = sequence.compactMap { $0.scalar?.string }
        return texts.count == sequence.count ? .list(texts) : nil
    }

    private func place(of node: Node) -> String {
        node.mark.map { "\(file):\($0.line)" } ?? file
    }
}

/// Lists a configuration's fields with their values.
final class ConfigurationWriter: ConfigurationVisitor {
    /// Dotted keys and YAML values, in order.
    private(set) var entries: [(key: String, value: String)] = []
    private var path = ""

    /// All fields of a configuration.
    static func entries<Configuration>(
        of configuration: Configuration, visit: (inout Configuration, any ConfigurationVisitor) throws -> Void
    ) throws -> [(key: String, value: String)] {
        let writer = ConfigurationWriter()
        var copy = configuration
        try visit(&copy, writer)
        return writer.entries
    }

    /// The fields as a YAML file.
    static func yaml(_ entries: [(key: String, value: String)]) -> String {
        var lines: [String] = []
        var open: [Substring] = []
        for (key, value) in entries {
            let parts = key.split(separator: ".")
            let sections = parts.dropLast()
            var depth = 0
            while depth < sections.count, depth < open.count, sections[depth] == open[depth] { depth += 1 }
            for level in depth..<max(depth, sections.count) {
                lines.append(String(repeating: "  ", count: level) + sections[level] + ":")
            }
            open = Array(sections)
            lines.append(String(repeating: "  ", count: sections.count) + (parts.last ?? "") + ": " + value)
        }
        return lines.joined(separator: "\n") + "\n"
    }

    func field<Value: ConfigurationScalar>(_ key: String, _ value: inout Value) throws {
        entries.append((path + key, value.yaml))
    }

    func section(_ key: String, _ body: (any ConfigurationVisitor) throws -> Void) throws {
        let outer = path
        path += key + "."
        try body(self)
        path = outer
    }

    func invalid(_ key: String, _ problem: String) -> ConfigurationError { ConfigurationError(path + key, problem) }
}

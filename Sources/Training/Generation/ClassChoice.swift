/// Which classes to make images of, as a person says it: `all`, or numbers and names with commas between them.
public struct ClassChoice: Sendable, Equatable {
    private let text: String

    public init(_ text: String) { self.text = text }

    /// The labels, each once, in the order in which they were given.
    ///
    /// - Parameters:
    ///   - names: the classes' names; a label is a position in it. Empty if they are not known.
    ///   - generator: its file, for complaints.
    /// - Throws: `GenerationError` for a class that the generator does not know.
    public func labels(classes: Int, names: [String], generator: String) throws(GenerationError) -> [Int] {
        if text == "all" { return Array(0..<classes) }
        // A name may have commas itself.
        if let label = ClassChoice.label(of: text, names) { return [label] }
        var labels: [Int] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let name = String(part.drop { $0 == " " })
            let label: Int
            if let number = Int(name) {
                guard (0..<classes).contains(number) else { throw .classOutside(number, classes: classes) }
                label = number
            } else if names.isEmpty {
                throw .noClassNames(name, generator: generator)
            } else if let found = ClassChoice.label(of: name, names) {
                label = found
            } else {
                let wanted = name.lowercased()
                let similar = wanted.isEmpty ? [] : names.filter { $0.lowercased().contains(wanted) }
                throw .unknownClass(name, similar: Array(similar.prefix(3)))
            }
            if !labels.contains(label) { labels.append(label) }
        }
        return labels
    }

    private static func label(of name: String, _ names: [String]) -> Int? {
        names.firstIndex(of: name) ?? names.firstIndex { $0.lowercased() == name.lowercased() }
    }
}

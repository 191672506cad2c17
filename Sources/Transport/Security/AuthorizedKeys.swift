/// The workers' public keys that a coordinator admits: the lines `KEY NAME` of its file `authorized_keys`.
public struct AuthorizedKeys: Sendable, Equatable {
    /// Names by key.
    public internal(set) var names: [CurveKey: String] = [:]

    public init() {}

    /// Reads the text of a file.
    ///
    /// - Parameter file: its name, for complaints.
    /// - Throws: `KeyError.malformed` with the first line that is no key, or a key that was there before.
    public init(_ text: String, file: String) throws(KeyError) {
        for (number, line) in KeyFile.lines(of: text) {
            let parts = line.split(maxSplits: 1) { $0 == " " || $0 == "\t" }
            guard let first = parts.first, let key = CurveKey(String(first)) else {
                throw .malformed(
                    file: file, line: number,
                    reason: "does not begin with a public key of 40 characters; write 'KEY NAME', or make it with 'mvq keygen --worker NAME'")
            }
            guard names[key] == nil else { throw .malformed(file: file, line: number, reason: "has a key that is there already; remove one") }
            names[key] = parts.count > 1 ? String(parts[1]) : ""
        }
    }

    /// True when a peer with this key may take part.
    public func contains(_ key: CurveKey) -> Bool { names[key] != nil }

    /// A key for log lines: its name, if it has one, and its beginning.
    public func label(of key: CurveKey) -> String {
        guard let name = names[key], !name.isEmpty else { return key.short }
        return "\(name.prefix(64)) (\(key.short))"
    }
}

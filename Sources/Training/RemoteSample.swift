import Foundation

/// How an image that came from the coordinator is named in complaints. A worker knows only its id; the coordinator, which has the file, puts
/// the path in its place.
enum RemoteSample {
    private static let before = "sample "
    private static let after = " of the coordinator's dataset"

    /// The name a worker uses.
    static func name(_ id: Int) -> String { before + String(id) + after }

    /// The names of a slot's images: the first three, how many more there are, and the ids of all.
    static func names(_ ids: [Int]) -> String {
        let rest = ids.count > 3 ? " and \(ids.count - 3) more" : ""
        return ids.prefix(3).map(name).joined(separator: ", ") + rest + " (sample ids \(ids.map(String.init).joined(separator: ", ")))"
    }

    /// A worker's complaint with the names of samples replaced by their paths; other text stays as it is.
    static func resolve(_ text: String, count: Int, path: (Int) -> String) -> String {
        var result = ""
        var rest = Substring(text)
        while let end = rest.range(of: after) {
            let head = rest[..<end.lowerBound]
            if let start = head.range(of: before, options: .backwards), let id = Int(head[start.upperBound...]), (0..<count).contains(id)
            {
                result += head[..<start.lowerBound] + path(id)
            } else {
                result += rest[..<end.upperBound]
            }
            rest = rest[end.upperBound...]
        }
        return result + rest
    }
}

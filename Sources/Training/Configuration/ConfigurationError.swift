/// A configuration that cannot be used: one line saying where, what and the mend.
public struct ConfigurationError: Error, Equatable, CustomStringConvertible {
    /// `file:line` or `--set key`.
    public let place: String
    public let problem: String

    public init(_ place: String, _ problem: String) {
        self.place = place
        self.problem = problem
    }

    public var description: String { "\(place): \(problem)" }
}

/// Of some words the one closest to a misspelt one, if it is close at all.
func nearest(to word: String, among words: [String]) -> String? {
    func distance(_ a: [Character], _ b: [Character]) -> Int {
        var row = Array(0...b.count)
        for i in a.indices {
            var diagonal = row[0]
            row[0] = i + 1
            for j in b.indices {
                let substitution = diagonal + (a[i] == b[j] ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(substitution, row[j] + 1, row[j + 1] + 1)
            }
        }
        return row[b.count]
    }
    let ranked = words.map { (word: $0, distance: distance(Array(word), Array($0))) }.sorted { ($0.distance, $0.word) < ($1.distance, $1.word) }
    guard let best = ranked.first, best.distance <= max(2, word.count / 2) else { return nil }
    return best.word
}

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

/// Of some dotted keys the one closest to a misspelt one, if any is close: by its whole path, or by its last part, which finds keys that were
/// put into the wrong section.
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
    func last(_ path: String) -> Substring { path.split(separator: ".").last ?? "" }
    let ranked = words.map { candidate in
        let whole = distance(Array(word), Array(candidate))
        return (word: candidate, distance: min(whole, distance(Array(last(word)), Array(last(candidate)))), whole: whole)
    }.sorted { ($0.distance, $0.whole, $0.word) < ($1.distance, $1.whole, $1.word) }
    guard let best = ranked.first, best.distance <= max(1, last(word).count / 3) else { return nil }
    return best.word
}

/// What each query of MergeAR may attend to (stage2 2.2): the prefix, the first occurrences so far, and the last few tokens.
///
/// Sequence positions are P prefix slots, then the image tokens in raster order. The query at image token q sees image token j exactly when
/// j ≤ q and (keep(j) or q − j < W); it always sees the prefix, whose own rows are causal. With W at or beyond the number of tokens this is
/// causal attention.
public struct MergedAttention: Sendable, Equatable {
    /// Prefix slots P: class and merge token.
    public let prefix: Int
    /// The window W: how many of the latest tokens stay visible whatever they are, the query's own included.
    public let window: Int
    /// Which image tokens are first occurrences.
    public let keep: [Bool]
    private let keptBefore: [Int]

    /// - Parameters:
    ///   - prefix: at least 1.
    ///   - window: at least 1: a token attends to itself.
    ///   - keep: one flag an input token; the last token of an image is never an input, and may be left out.
    public init(prefix: Int = 2, window: Int = 2, keep: [Bool]) {
        precondition(prefix >= 1 && window >= 1, "a prefix of \(prefix) and a window of \(window)")
        self.prefix = prefix
        self.window = window
        self.keep = keep
        var sum = 0
        keptBefore = [0] + keep.map { flag in
            sum += flag ? 1 : 0
            return sum
        }
    }

    /// Sequence positions: the prefix and the image tokens.
    public var length: Int { prefix + keep.count }

    /// Whether the query at one sequence position sees the key at another.
    public func isVisible(query: Int, key: Int) -> Bool {
        precondition(query >= 0 && query < length && key >= 0 && key < length, "position \(query) or \(key) of \(length)")
        return key <= query && (key < prefix || keep[key - prefix] || query - key < window)
    }

    /// The number of keys that the query at a sequence position sees: for image token q, n(q) = P + |{j ≤ q − W : keep(j)}| + min(W, q + 1).
    public func contextSize(query: Int) -> Int {
        precondition(query >= 0 && query < length, "position \(query) of \(length)")
        guard query >= prefix else { return query + 1 }
        let q = query - prefix
        return prefix + keptBefore[max(q - window + 1, 0)] + min(window, q + 1)
    }

    /// The image tokens that the query at an image token sees, ascending.
    public func context(of token: Int) -> [Int] {
        precondition(token >= 0 && token < keep.count, "token \(token) of \(keep.count)")
        return (0...token).filter { keep[$0] || token - $0 < window }
    }

    /// The whole mask, row by row: `[length, length]`, true for visible.
    public var mask: [Bool] {
        (0..<length).flatMap { query in (0..<length).map { isVisible(query: query, key: $0) } }
    }
}

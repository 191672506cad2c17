/// Which keys each query of an attention sees, for all samples or for each one. What is not seen has probability 0, and so has its gradient.
public struct AttentionMask: Sendable, Equatable {
    /// Samples that have a table of their own; 1 if all share one.
    public let samples: Int
    public let queries: Int
    public let keys: Int
    /// `[samples, queries, keys]`: 1 where the query sees the key, else 0.
    private let visible: [UInt8]
    /// The first key that each query sees, and one past the last, `[samples, queries]`.
    private let extents: [Range<Int>]

    /// Every query must see at least one key.
    ///
    /// - Parameter visible: `[samples, queries, keys]`, row-major; not 0 where the query sees the key.
    public init(_ visible: [UInt8], samples: Int = 1, queries: Int, keys: Int) {
        precondition(visible.count == samples * queries * keys, "\(visible.count) entries for a mask of \(samples) × \(queries) × \(keys)")
        extents = visible.withUnsafeBufferPointer { visible in
            (0..<(samples * queries)).map { row in
                let keys = visible[(row * keys)..<((row + 1) * keys)]
                guard let first = keys.firstIndex(where: { $0 != 0 }), let last = keys.lastIndex(where: { $0 != 0 }) else {
                    preconditionFailure("query \(row) of a mask sees no key")
                }
                return first - keys.startIndex..<last + 1 - keys.startIndex
            }
        }
        self.samples = samples
        self.queries = queries
        self.keys = keys
        self.visible = visible.map { $0 == 0 ? 0 : 1 }
    }

    /// Token n sees the tokens 0 … n.
    public static func causal(_ length: Int) -> AttentionMask {
        var visible = [UInt8](repeating: 0, count: length * length)
        for query in 0..<length {
            for key in 0...query { visible[query * length + key] = 1 }
        }
        return AttentionMask(visible, queries: length, keys: length)
    }

    /// Whether a query of a sample sees a key.
    public func sees(sample: Int = 0, query: Int, key: Int) -> Bool {
        visible[((samples == 1 ? 0 : sample) * queries + query) * keys + key] != 0
    }

    func fits(batch: Int, queries: Int, keys: Int) -> Bool {
        (samples == 1 || samples == batch) && self.queries == queries && self.keys == keys
    }

    /// From the first to the last key that any of some queries sees.
    func keys(seenBy queries: Range<Int>, image: Int) -> Range<Int> {
        let start = (samples == 1 ? 0 : image) * self.queries
        let seen = extents[(start + queries.lowerBound)..<(start + queries.upperBound)]
        return seen.reduce(keys) { min($0, $1.lowerBound) }..<seen.reduce(0) { max($0, $1.upperBound) }
    }

    /// Calls `body` with the entries from a query's view of a key on, rows `keys` apart.
    func withVisibility(image: Int, query: Int, key: Int, _ body: (UnsafePointer<UInt8>) -> Void) {
        visible.withUnsafeBufferPointer { table in
            guard let start = table.baseAddress else { return }
            body(start + ((samples == 1 ? 0 : image) * queries + query) * keys + key)
        }
    }
}

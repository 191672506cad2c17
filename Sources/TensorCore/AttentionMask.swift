/// Which keys each query of an attention sees, for all samples or for each one. What is not seen has probability 0, and so has its gradient.
public struct AttentionMask: Sendable, Equatable {
    /// Samples that have a table of their own; 1 if all share one.
    public let samples: Int
    public let queries: Int
    public let keys: Int
    /// `[samples, queries, keys]`: 1 where the query sees the key, else 0.
    private let visible: [UInt8]

    /// Every query must see at least one key.
    ///
    /// - Parameter visible: `[samples, queries, keys]`, row-major; not 0 where the query sees the key.
    public init(_ visible: [UInt8], samples: Int = 1, queries: Int, keys: Int) {
        precondition(visible.count == samples * queries * keys, "\(visible.count) entries for a mask of \(samples) × \(queries) × \(keys)")
        for row in 0..<(samples * queries) {
            precondition(visible[(row * keys)..<((row + 1) * keys)].contains { $0 != 0 }, "query \(row) of a mask sees no key")
        }
        self.samples = samples
        self.queries = queries
        self.keys = keys
        self.visible = visible.map { $0 == 0 ? 0 : 1 }
    }

    /// Token n sees the tokens 0 … n.
    public static func causal(_ length: Int) -> AttentionMask {
        AttentionMask((0..<(length * length)).map { $0 % length <= $0 / length ? 1 : 0 }, queries: length, keys: length)
    }

    /// Whether a query of a sample sees a key.
    public func sees(sample: Int = 0, query: Int, key: Int) -> Bool {
        visible[((samples == 1 ? 0 : sample) * queries + query) * keys + key] != 0
    }

    func fits(batch: Int, queries: Int, keys: Int) -> Bool {
        (samples == 1 || samples == batch) && self.queries == queries && self.keys == keys
    }

    /// Calls `body` with the entries from a query's view of a key on, rows `keys` apart.
    func withVisibility(image: Int, query: Int, key: Int, _ body: (UnsafePointer<UInt8>) -> Void) {
        visible.withUnsafeBufferPointer { table in
            guard let start = table.baseAddress else { return }
            body(start + ((samples == 1 ? 0 : image) * queries + query) * keys + key)
        }
    }
}

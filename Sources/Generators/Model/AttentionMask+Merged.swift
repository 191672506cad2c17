import TensorCore

extension AttentionMask {
    /// The masks of a batch for `Generator`, one a sample; all of the same length.
    public init(_ samples: [MergedAttention]) {
        let length = samples.first?.length ?? 0
        precondition(samples.allSatisfy { $0.length == length }, "masks of unequal length")
        self.init(samples.flatMap { $0.mask.map { $0 ? 1 : 0 } }, samples: samples.count, queries: length, keys: length)
    }
}

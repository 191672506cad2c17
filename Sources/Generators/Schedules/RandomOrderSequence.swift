/// The sequence of RandAR for one image (stage2 3.1): class, then for each slot in decoding order its query (the position instruction) and its token.
/// N slots make 1 + 2N elements under a causal mask; the output at a query predicts the slot's token.
public struct RandomOrderSequence: Sendable, Equatable {
    public enum Element: Sendable, Hashable {
        case classToken
        /// The position instruction of a slot.
        case query(slot: Int)
        /// The token of a slot.
        case token(slot: Int)
    }

    public let order: SlotOrder

    public init(_ order: SlotOrder) { self.order = order }

    /// Elements of the whole sequence, and entries of the cache: 1 + 2N.
    public var length: Int { 1 + 2 * order.count }

    /// Where the query of the n-th slot lies, at which its logits are read.
    public static func position(ofQuery turn: Int) -> Int { 1 + 2 * turn }

    /// All elements, as in training.
    public var elements: [Element] {
        [.classToken] + order.slots.flatMap { [.query(slot: $0), .token(slot: $0)] }
    }

    /// One run of the network while decoding (stage2 3.3). Its elements go to successive entries of the cache from `start` on, causally: the last
    /// call's tokens first, in the places that they have in training, then the new queries.
    public struct Call: Sendable, Equatable {
        /// The cache entry that the first element is written to: what lies there and behind, queries of the last call, is overwritten.
        public let start: Int
        public let elements: [Element]
        /// Tokens that exist before the call.
        public let decoded: Int
        /// New tokens, drawn from the outputs at the last `count` elements.
        public let count: Int

        /// Entries of the cache after the call.
        public var end: Int { start + elements.count }
        /// The turns of the new tokens.
        public var turns: Range<Int> { decoded..<(decoded + count) }
        /// The elements whose outputs are read.
        public var outputs: Range<Int> { (elements.count - count)..<elements.count }
    }

    /// The calls that decode the image.
    /// - Parameter counts: the new tokens of each call, at least one each; they sum to N.
    public func calls(counts: [Int]) -> [Call] {
        precondition(counts.allSatisfy { $0 >= 1 } && counts.reduce(0, +) == order.count, "the calls do not decode \(order.count) tokens")
        var calls: [Call] = []
        var decoded = 0
        for count in counts {
            let queries = order.slots[decoded..<(decoded + count)].map { Element.query(slot: $0) }
            guard let last = calls.last else {
                calls.append(Call(start: 0, elements: [.classToken] + queries, decoded: 0, count: count))
                decoded = count
                continue
            }
            // The first query of the last call lies where it does in training, and stays.
            let committed = order.slots[last.turns].flatMap { [Element.query(slot: $0), .token(slot: $0)] }.dropFirst()
            calls.append(
                Call(start: Self.position(ofQuery: last.decoded) + 1, elements: committed + queries, decoded: decoded, count: count))
            decoded += count
        }
        return calls
    }
}

import Kernels
import NeuralNet
import TensorCore

#if canImport(Glibc)
import Glibc
#endif

/// Tokens on their way through merging blocks: features, sizes, and which token now stands for each original one.
public struct TokenSequence {
    /// `[B, t, D]`; index 0 is the class token.
    public var tokens: Variable
    /// How many original tokens each token stands for, `[B, t]`; nil while nothing has been merged.
    public private(set) var sizes: Tensor?
    /// For every image and original position (class token first) the index of its token now, `[B · (1 + L)]`.
    public private(set) var owners: [Int32]
    /// The old-to-new tables of the merges so far, `[B · t]` each.
    public private(set) var tables: [[Int32]] = []

    /// Tokens before any merge, class token included; `sizes [B, t]` if they already stand for several each.
    public init(_ tokens: Variable, sizes: Tensor? = nil) {
        self.tokens = tokens
        self.sizes = sizes
        let length = tokens.shape[1]
        owners = (0..<tokens.shape[0]).flatMap { _ in (0..<Int32(length)) }
    }

    public var batch: Int { tokens.shape[0] }
    public var length: Int { tokens.shape[1] }

    /// For every image and image position the index of its token, class token not counted, `[B · L]`: the owner map a(j) of spec 2.5.
    public var imageOwners: [Int32] {
        let stride = owners.count / batch
        return (0..<batch).flatMap { image in owners[(image * stride + 1)..<((image + 1) * stride)].map { $0 - 1 } }
    }

    /// log(size) of every token `[B, t]`, the bias of proportional attention (eq. 14); nil while nothing has been merged.
    public var logSizes: Tensor? {
        sizes.map { sizes in Tensor(sizes.elements.map { log($0) }, sizes.shape) }
    }

    /// What one merge does to the tokens of all images.
    struct Merge {
        /// Old to new, `[B · t]`.
        let table: [Int32]
        let newLength: Int
    }

    /// Merges `merges` tokens of every image (at most ⌊(t − 1)/2⌋) by similarity of `metric [B, t, width]`. Features become means weighted
    /// by size; their gradient flows back through the weights, the matching has none.
    public mutating func merge(_ merges: Int, metric: Tensor) {
        if let merge = matched(merges, metric: metric) { apply(merge.table, newLength: merge.newLength) }
    }

    /// The merge of `merges` tokens of every image, or of as many as there are; nil if none.
    func matched(_ merges: Int, metric: Tensor) -> Merge? {
        let merges = min(merges, (length - 1) / 2)
        guard merges > 0 else { return nil }
        let (old, width) = (length, metric.shape[2])
        let matchings = (0..<batch).map {
            BipartiteMatching(
                metric: metric.pointer + $0 * old * width, length: old, width: width, merges: merges, pool: tokens.graph.pool)
        }
        return Merge(table: matchings.flatMap(\.table), newLength: matchings[0].newLength)
    }

    /// Merges by a given old-to-new table `[B · t]`.
    public mutating func apply(_ table: [Int32], newLength: Int) {
        let before = sizes ?? Tensor(filledWith: 1, [batch, length])
        let merged = follow(Merge(table: table, newLength: newLength))
        tokens = tokens.merged(table: table, shares: before, totals: merged)
    }

    /// Brings sizes, owners and tables up to a merge; the tokens are the caller's business. Returns the new sizes `[B, t']`.
    @discardableResult
    mutating func follow(_ merge: Merge) -> Tensor {
        let (table, newLength) = (merge.table, merge.newLength)
        let old = table.count / batch
        let oldSizes = sizes ?? Tensor(filledWith: 1, [batch, old])
        let newSizes = Tensor(zeros: [batch, newLength])
        for image in 0..<batch {
            for t in 0..<old { newSizes.pointer[image * newLength + Int(table[image * old + t])] += oldSizes.pointer[image * old + t] }
        }
        sizes = newSizes
        let stride = owners.count / batch
        for image in 0..<batch {
            for j in (image * stride)..<((image + 1) * stride) { owners[j] = table[image * old + Int(owners[j])] }
        }
        tables.append(table)
        return newSizes
    }
}

extension Variable {
    /// x'_n = Σ_{o→n} s_o x_o / Σ_{o→n} s_o (spec 2.5): `[B, t, D]` → `[B, t', D]` with table `[B · t]`, shares s `[B, t]`, totals `[B, t']`.
    func merged(table: [Int32], shares: Tensor, totals: Tensor) -> Variable {
        let (batch, old, new, width) = (shape[0], shape[1], totals.shape[1], shape[2])
        precondition(table.count == batch * old && shares.count == batch * old, "merge table of \(table.count) for \(shape)")
        let weights = (0..<(batch * old)).map { i in
            shares.pointer[i] / totals.pointer[i / old * new + Int(table[i])]
        }
        let result = Tensor(zeros: [batch, new, width])
        for i in 0..<(batch * old) {
            Kernels.accumulate(
                value.pointer + i * width, times: weights[i],
                into: result.pointer + (i / old * new + Int(table[i])) * width, count: width)
        }
        return graph.operation(result, passing: [self]) { [node] gradient in
            let share = Tensor(uninitialised: node.shape)
            for i in 0..<(batch * old) {
                scale(
                    gradient.pointer + (i / old * new + Int(table[i])) * width, by: weights[i], into: share.pointer + i * width,
                    count: width)
            }
            node.accumulate(share)
        }
    }

    /// Token recovery (eq. 11): every position gets its owner's row, `[B, K, D]` → `[B, L, D]` with owners `[B · L]`. The gradient of a token
    /// is the sum over its positions.
    public func recovered(owners: [Int32]) -> Variable {
        let (batch, kept, width) = (shape[0], shape[1], shape[2])
        let length = owners.count / batch
        let result = Tensor(uninitialised: [batch, length, width])
        for i in 0..<owners.count {
            let source = value.pointer + (i / length * kept + Int(owners[i])) * width
            (result.pointer + i * width).update(from: source, count: width)
        }
        return graph.operation(result, passing: [self]) { [node] gradient in
            let share = Tensor(zeros: node.shape)
            for i in 0..<owners.count {
                Kernels.accumulate(
                    gradient.pointer + i * width, into: share.pointer + (i / length * kept + Int(owners[i])) * width, count: width)
            }
            node.accumulate(share)
        }
    }
}

import Kernels

/// Multi-head attention softmax(q·kᵀ/√d + bias)·v over packed projections: heads lie side by side in a row of `heads · headWidth` floats.
///
/// No matrix of queries × keys exists: scores are made in tiles, which stay in the second-level cache, with a running maximum and sum over the
/// tiles of a row (Dao et al., FlashAttention, 2022). The backward pass makes them again from the rows' log-sum-exp.
package struct Attention: Sendable {
    package let heads: Int
    package let headWidth: Int

    package init(heads: Int, headWidth: Int) {
        self.heads = heads
        self.headWidth = headWidth
    }

    /// About as many queries, and keys, as a tile of scores has. Between 256² and 512² the speed is the same within 3 %; smaller tiles lose to
    /// packing their operands, whole rows of 1025 keys to the cache.
    static let tile = (queries: 256, keys: 512)
    /// About as many queries as a block has where a mask hides keys: keys that none of a block's queries sees are not computed.
    static let maskedQueries = 64
    private static let log2e: Float = 1.442_695

    var width: Int { heads * headWidth }
    /// 1/√d
    var factor: Float { 1 / Float(headWidth).squareRoot() }
    /// The same for exponents to base 2.
    var binaryFactor: Float { factor * Attention.log2e }

    /// Where one of q, k, v lies: the columns from `column` of the first `length` rows of a tensor `[B, t, columns]`.
    package struct Operand {
        let tensor: Tensor
        let column: Int
        let length: Int
        let sharing: Int

        /// - Parameters:
        ///   - length: t if nil.
        ///   - sharing: query heads in a row that have one head here; more than 1 in forward passes only.
        package init(_ tensor: Tensor, column: Int = 0, length: Int? = nil, sharing: Int = 1) {
            self.tensor = tensor
            self.column = column
            self.length = length ?? tensor.shape[1]
            self.sharing = sharing
        }

        var stride: Int { tensor.shape[2] }

        func pointer(image: Int, row: Int, offset: Int) -> UnsafeMutablePointer<Float> {
            tensor.pointer + (image * tensor.shape[1] + row) * stride + column + offset
        }

        func matrix(image: Int, row: Int, offset: Int, transposed: Bool = false) -> MatrixOperand {
            MatrixOperand(pointer(image: image, row: row, offset: offset), stride: stride, transposed: transposed)
        }
    }

    /// What the backward pass needs besides the inputs: the output `[B, queries, heads · headWidth]`, log₂ of every score row's sum
    /// `[B, heads, queries]`, the key bias for exponents to base 2, and the mask.
    package struct Result: Sendable {
        package let output: Tensor
        let logSums: Tensor
        let binaryBias: Tensor?
        let mask: AttentionMask?
    }

    /// - Parameters:
    ///   - keyBias: added to every score of a key before the softmax, `[B, keys]`: log of the token size in proportional attention (eq. 14).
    ///   - mask: which keys a query sees, if not all; not together with a bias.
    package func forward(
        q: Operand, k: Operand, v: Operand, keyBias: Tensor?, mask: AttentionMask? = nil, pool: ThreadPool
    ) -> Result {
        let (batch, queries, keys) = (q.tensor.shape[0], q.length, k.length)
        precondition(
            v.length == keys && v.sharing == k.sharing && k.tensor.shape[0] == batch && keyBias.map { $0.count == batch * keys } ?? true,
            "attention of \(q.tensor.shape) on \(k.tensor.shape), \(v.tensor.shape), bias \(keyBias?.shape ?? [])")
        precondition(
            mask.map { keyBias == nil && $0.fits(batch: batch, queries: queries, keys: keys) } ?? true,
            "a mask of another size than \(queries) queries and \(keys) keys")
        let result = Result(
            output: Tensor(uninitialised: [batch, queries, width]), logSums: Tensor(uninitialised: [batch, heads, queries]),
            binaryBias: keyBias.map { $0.scaled(by: Attention.log2e, pool: pool) }, mask: mask)
        let down = Partition(queries, about: mask == nil ? Attention.tile.queries : Attention.maskedQueries)
        pool.parallel(batch * heads * down.parts) { unit in
            let (image, head) = (unit / down.parts / heads, unit / down.parts % heads)
            forward(rows: down[unit % down.parts], image: image, head: head, q: q, k: k, v: v, into: result)
        }
        return result
    }

    /// The output of some queries of one head.
    private func forward(rows: Range<Int>, image: Int, head: Int, q: Operand, k: Operand, v: Operand, into result: Result) {
        let (queries, keys, offset, shared) = (q.length, k.length, head * headWidth, head / k.sharing * headWidth)
        let seen = result.mask?.keys(seenBy: rows, image: image) ?? 0..<keys
        let across = Partition(seen.count, about: Attention.tile.keys)
        let output = result.output.pointer + (image * queries + rows.lowerBound) * width + offset
        let maxima = result.logSums.pointer + (image * heads + head) * queries + rows.lowerBound
        maxima.update(repeating: -.greatestFiniteMagnitude, count: rows.count)
        Storage.withScratch(rows.count * (across.longest + 2)) { scratch in
            let sums = scratch
            let corrections = sums + rows.count
            let scores = corrections + rows.count
            sums.update(repeating: 0, count: rows.count)
            for index in 0..<across.parts {
                let columns = seen.lowerBound + across[index].lowerBound..<seen.lowerBound + across[index].upperBound
                multiply(
                    q.matrix(image: image, row: rows.lowerBound, offset: offset),
                    k.matrix(image: image, row: columns.lowerBound, offset: shared, transposed: true),
                    into: scores, stride: columns.count, rows: rows.count, columns: columns.count, depth: headWidth)
                if let mask = result.mask {
                    mask.withVisibility(image: image, query: rows.lowerBound, key: columns.lowerBound) { visible in
                        maskedRunningSoftmaxTile(
                            scores, factor: binaryFactor, visible: visible, visibleStride: mask.keys, maxima: maxima, sums: sums,
                            corrections: corrections, rows: rows.count, columns: columns.count)
                    }
                } else {
                    runningSoftmaxTile(
                        scores, factor: binaryFactor, bias: result.bias(image: image, key: columns.lowerBound), maxima: maxima, sums: sums,
                        corrections: corrections, rows: rows.count, columns: columns.count)
                }
                if index > 0 { scaleRows(output, by: corrections, stride: width, rows: rows.count, columns: headWidth) }
                multiply(
                    MatrixOperand(scores, stride: columns.count), v.matrix(image: image, row: columns.lowerBound, offset: shared),
                    into: output, stride: width, rows: rows.count, columns: headWidth, depth: columns.count, beta: index > 0 ? 1 : 0)
            }
            finishRunningSoftmax(maxima: maxima, sums: sums, rows: rows.count)
            scaleRows(output, by: sums, stride: width, rows: rows.count, columns: headWidth)
        }
    }
}

extension Attention.Result {
    func bias(image: Int, key: Int) -> UnsafePointer<Float>? {
        binaryBias.map { UnsafePointer($0.pointer + image * ($0.count / output.shape[0]) + key) }
    }
}

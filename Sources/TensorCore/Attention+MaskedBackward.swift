import Kernels

extension Attention {
    /// `backward` where queries see some of the keys: a unit of work is a head, which goes through blocks of queries in order and computes, for each, the
    /// keys that it sees.
    func maskedBackward(
        _ dy: Tensor, q: Operand, k: Operand, v: Operand, result: Result, mask: AttentionMask, inner: Tensor, dq: Operand, dk: Operand,
        dv: Operand, pool: ThreadPool
    ) {
        let down = Partition(q.length, about: Attention.maskedQueries)
        pool.parallel(q.tensor.shape[0] * heads) { unit in
            let (image, head) = (unit / heads, unit % heads)
            for share in [dk, dv] {
                for row in 0..<k.length { share.pointer(image: image, row: row, offset: head * headWidth).update(repeating: 0, count: headWidth) }
            }
            for block in 0..<down.parts {
                maskedBackward(
                    rows: down[block], image: image, head: head, dy, q: q, k: k, v: v, result: result, mask: mask, inner: inner, dq: dq, dk: dk,
                    dv: dv)
            }
        }
    }

    /// Sets dq of a block of queries and adds its share to dk and dv.
    private func maskedBackward(
        rows: Range<Int>, image: Int, head: Int, _ dy: Tensor, q: Operand, k: Operand, v: Operand, result: Result, mask: AttentionMask,
        inner: Tensor, dq: Operand, dk: Operand, dv: Operand
    ) {
        let (queries, offset, first) = (q.length, head * headWidth, rows.lowerBound)
        let seen = mask.keys(seenBy: rows, image: image)
        let across = Partition(seen.count, about: Attention.tile.keys)
        let query = q.matrix(image: image, row: first, offset: offset)
        let dOut = MatrixOperand(dy.pointer + (image * queries + first) * width + offset, stride: width)
        let statistics = (image * heads + head) * queries + first
        Storage.withScratch(2 * rows.count * across.longest) { p in
            let ds = p + rows.count * across.longest
            for index in 0..<across.parts {
                let start = seen.lowerBound + across[index].lowerBound
                let count = across[index].count
                let key = k.matrix(image: image, row: start, offset: offset)
                multiply(
                    query, k.matrix(image: image, row: start, offset: offset, transposed: true), into: p, stride: count, rows: rows.count,
                    columns: count, depth: headWidth)
                multiply(
                    dOut, v.matrix(image: image, row: start, offset: offset, transposed: true), into: ds, stride: count, rows: rows.count,
                    columns: count, depth: headWidth)
                mask.withVisibility(image: image, query: first, key: start) { visible in
                    maskedSoftmaxTileBackward(
                        scores: p, gradient: ds, factor: binaryFactor, visible: visible, visibleStride: mask.keys,
                        logSums: result.logSums.pointer + statistics, inner: inner.pointer + statistics, scale: factor, rows: rows.count,
                        columns: count)
                }
                multiply(
                    MatrixOperand(p, stride: count, transposed: true), dOut, into: dv.pointer(image: image, row: start, offset: offset),
                    stride: dv.stride, rows: count, columns: headWidth, depth: rows.count, beta: 1)
                multiply(
                    MatrixOperand(ds, stride: count, transposed: true), query, into: dk.pointer(image: image, row: start, offset: offset),
                    stride: dk.stride, rows: count, columns: headWidth, depth: rows.count, beta: 1)
                multiply(
                    MatrixOperand(ds, stride: count), key, into: dq.pointer(image: image, row: first, offset: offset), stride: dq.stride,
                    rows: rows.count, columns: headWidth, depth: count, beta: index > 0 ? 1 : 0)
            }
        }
    }
}

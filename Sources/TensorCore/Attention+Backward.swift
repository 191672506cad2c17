import Kernels

extension Attention {
    /// Gradients of q, k and v from that of the output, `dy [B, queries, heads · headWidth]`, written over the operands `dq`, `dk`, `dv`.
    ///
    /// A unit of work is a block of keys of one head: it alone writes their dk and dv, going through the queries in order. Each block of keys
    /// has its own share of dq; shares are added in the order of the blocks.
    package func backward(
        _ dy: Tensor, q: Operand, k: Operand, v: Operand, result: Result, dq: Operand, dk: Operand, dv: Operand, pool: ThreadPool
    ) {
        let (batch, queries, keys) = (q.tensor.shape[0], q.length, k.length)
        precondition(dy.count == batch * queries * width, "gradient \(dy.shape) of attention \(result.output.shape)")
        precondition(k.sharing == 1 && v.sharing == 1, "the gradient of shared key heads")
        let inner = innerProducts(dy, result.output, pool: pool)
        if let mask = result.mask {
            maskedBackward(dy, q: q, k: k, v: v, result: result, mask: mask, inner: inner, dq: dq, dk: dk, dv: dv, pool: pool)
            return
        }
        let across = Partition(keys, about: Attention.tile.keys)
        // The first block's share goes to dq itself, the others' to `shares`, each `[B, queries, heads · headWidth]`.
        let share = batch * queries * width
        Storage.withScratch(max(across.parts - 1, 0) * share) { shares in
            pool.parallel(batch * heads * across.parts) { unit in
                let (image, head, block) = (unit / across.parts / heads, unit / across.parts % heads, unit % across.parts)
                let gradient = block == 0
                    ? (dq.pointer(image: image, row: 0, offset: head * headWidth), dq.stride)
                    : (shares + (block - 1) * share + image * queries * width + head * headWidth, width)
                backward(
                    columns: across[block], image: image, head: head, dy, q: q, k: k, v: v, result: result, inner: inner,
                    dq: gradient.0, stride: gradient.1, dk: dk, dv: dv)
            }
            guard across.parts > 1 else { return }
            let rowsAtOnce = 64
            pool.parallel((batch * queries + rowsAtOnce - 1) / rowsAtOnce) { index in
                for row in (index * rowsAtOnce)..<min((index + 1) * rowsAtOnce, batch * queries) {
                    for block in 1..<across.parts {
                        accumulate(
                            shares + (block - 1) * share + row * width, into: dq.pointer(image: 0, row: row, offset: 0), count: width)
                    }
                }
            }
        }
    }

    /// Σ y·dy of every query and head `[B, heads, queries]`, which is Σ p·dp of its score row.
    private func innerProducts(_ dy: Tensor, _ output: Tensor, pool: ThreadPool) -> Tensor {
        let (batch, queries) = (output.shape[0], output.shape[1])
        let inner = Tensor(uninitialised: [batch, heads, queries])
        pool.parallel(batch * heads) { unit in
            let start = unit / heads * queries * width + unit % heads * headWidth
            rowDots(
                output.pointer + start, dy.pointer + start, into: inner.pointer + unit * queries, stride: width, rows: queries,
                columns: headWidth)
        }
        return inner
    }

    /// The gradients that a block of keys of one head takes and gives.
    private func backward(
        columns: Range<Int>, image: Int, head: Int, _ dy: Tensor, q: Operand, k: Operand, v: Operand, result: Result, inner: Tensor,
        dq: UnsafeMutablePointer<Float>, stride: Int, dk: Operand, dv: Operand
    ) {
        let (queries, offset) = (q.length, head * headWidth)
        let down = Partition(queries, about: Attention.tile.queries)
        let bias = result.bias(image: image, key: columns.lowerBound)
        let key = k.pointer(image: image, row: columns.lowerBound, offset: offset)
        let value = v.pointer(image: image, row: columns.lowerBound, offset: offset)
        Storage.withScratch(2 * down.longest * columns.count) { p in
            let ds = p + down.longest * columns.count
            for index in 0..<down.parts {
                let rows = down[index]
                let query = q.matrix(image: image, row: rows.lowerBound, offset: offset)
                let dOut = MatrixOperand(dy.pointer + (image * queries + rows.lowerBound) * width + offset, stride: width)
                let statistics = (image * heads + head) * queries + rows.lowerBound
                multiply(
                    query, MatrixOperand(key, stride: k.stride, transposed: true), into: p, stride: columns.count, rows: rows.count,
                    columns: columns.count, depth: headWidth)
                multiply(
                    dOut, MatrixOperand(value, stride: v.stride, transposed: true), into: ds, stride: columns.count,
                    rows: rows.count, columns: columns.count, depth: headWidth)
                softmaxTileBackward(
                    scores: p, gradient: ds, factor: binaryFactor, bias: bias, logSums: result.logSums.pointer + statistics,
                    inner: inner.pointer + statistics, scale: factor, rows: rows.count, columns: columns.count)
                let beta: Float = index > 0 ? 1 : 0
                multiply(
                    MatrixOperand(p, stride: columns.count, transposed: true), dOut,
                    into: dv.pointer(image: image, row: columns.lowerBound, offset: offset), stride: dv.stride,
                    rows: columns.count, columns: headWidth, depth: rows.count, beta: beta)
                multiply(
                    MatrixOperand(ds, stride: columns.count, transposed: true), query,
                    into: dk.pointer(image: image, row: columns.lowerBound, offset: offset), stride: dk.stride,
                    rows: columns.count, columns: headWidth, depth: rows.count, beta: beta)
                multiply(
                    MatrixOperand(ds, stride: columns.count), MatrixOperand(key, stride: k.stride),
                    into: dq + rows.lowerBound * stride, stride: stride, rows: rows.count, columns: headWidth,
                    depth: columns.count)
            }
        }
    }
}

import Kernels

extension Tensor {
    /// Divides every row of the last axis by the root of its mean square: x·(mean(x²) + ε)^(−1/2) · gain. The rows' factors are for the way back.
    package func rmsNorm(gain: Tensor, epsilon: Float, pool: ThreadPool) -> (Tensor, factors: Tensor) {
        let columns = shape[-1]
        precondition(gain.count == columns, "RMS norm of \(shape) with gain \(gain.shape)")
        let out = Tensor(uninitialised: shape)
        let factors = Tensor(uninitialised: [count / columns])
        rowTiles(pool) { row, rows in
            Kernels.rmsNorm(
                pointer + row * columns, gain: gain.pointer, epsilon: epsilon, into: out.pointer + row * columns,
                factors: factors.pointer + row, rows: rows, columns: columns)
        }
        return (out, factors)
    }

    /// dx of `rmsNorm` for the input self; sink (+)= the gradient of the gain, in blocks of 64 rows added in order.
    package func rmsNormGradient(_ dy: Tensor, gain: Tensor, factors: Tensor, gainGradient sink: Tensor, beta: Float, pool: ThreadPool) -> Tensor {
        let columns = shape[-1]
        let rows = count / columns
        let block = 64
        let blocks = (rows + block - 1) / block
        let dx = Tensor(uninitialised: shape)
        if beta == 0 { sink.fillInPlace(0) }
        Storage.withScratch(max(blocks * columns, 1)) { partial in
            partial.update(repeating: 0, count: blocks * columns)
            pool.parallel(blocks) { index in
                let row = index * block
                rmsNormBackward(
                    pointer + row * columns, gain: gain.pointer, factors: factors.pointer + row, gradient: dy.pointer + row * columns,
                    into: dx.pointer + row * columns, gainGradient: partial + index * columns, rows: min(block, rows - row),
                    columns: columns)
            }
            for index in 0..<blocks { accumulate(partial + index * columns, into: sink.pointer, count: columns) }
        }
        return dx
    }
}

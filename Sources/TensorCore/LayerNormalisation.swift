import Kernels

/// What the backward pass of a layer normalisation needs: mean and inverse deviation of every row.
package struct LayerNormStatistics: Sendable {
    let mean: Tensor
    let inverseDeviation: Tensor
}

extension Tensor {
    /// Normalises the last axis: (x − mean)/√(variance + ε) · gain + bias.
    package func layerNorm(
        gain: Tensor, bias: Tensor, epsilon: Float, pool: ThreadPool
    ) -> (Tensor, LayerNormStatistics) {
        let columns = shape[-1]
        precondition(gain.count == columns && bias.count == columns, "layer norm of \(shape) with gain \(gain.shape)")
        let rows = count / columns
        let out = Tensor(uninitialised: shape)
        let statistics = LayerNormStatistics(mean: Tensor(uninitialised: [rows]), inverseDeviation: Tensor(uninitialised: [rows]))
        rowTiles(pool) { row, rows in
            Kernels.layerNorm(
                pointer + row * columns, gain: gain.pointer, bias: bias.pointer, epsilon: epsilon,
                into: out.pointer + row * columns, mean: statistics.mean.pointer + row,
                inverseDeviation: statistics.inverseDeviation.pointer + row, rows: rows, columns: columns)
        }
        return (out, statistics)
    }

    /// dx of `layerNorm` for the input self; (+)= the gradients of gain and bias, in blocks of 64 rows added in order.
    package func layerNormGradient(
        _ dy: Tensor, gain: Tensor, statistics: LayerNormStatistics,
        gainGradient: Tensor, biasGradient: Tensor, pool: ThreadPool
    ) -> Tensor {
        let columns = shape[-1]
        let rows = count / columns
        let block = 64
        let blocks = (rows + block - 1) / block
        let dx = Tensor(uninitialised: shape)
        Storage.withScratch(max(2 * blocks * columns, 1)) { partial in
            partial.update(repeating: 0, count: 2 * blocks * columns)
            pool.parallel(blocks) { index in
                let row = index * block
                let start = row * columns
                layerNormBackward(
                    pointer + start, gain: gain.pointer, mean: statistics.mean.pointer + row,
                    inverseDeviation: statistics.inverseDeviation.pointer + row, gradient: dy.pointer + start,
                    into: dx.pointer + start, gainGradient: partial + 2 * index * columns,
                    biasGradient: partial + (2 * index + 1) * columns, rows: min(block, rows - row), columns: columns)
            }
            for index in 0..<blocks {
                accumulate(partial + 2 * index * columns, into: gainGradient.pointer, count: columns)
                accumulate(partial + (2 * index + 1) * columns, into: biasGradient.pointer, count: columns)
            }
        }
        return dx
    }
}

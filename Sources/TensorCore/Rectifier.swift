import Kernels

extension Tensor {
    /// self ← max(self, 0), elementwise.
    package func rectifyInPlace(pool: ThreadPool) {
        let columns = shape[-1]
        rowTiles(pool) { row, rows in Kernels.rectifyInPlace(pointer + row * columns, count: rows * columns) }
    }

    /// The gradient before a rectifier from that after it, `dy`; self is the rectifier's result.
    package func rectifierGradient(_ dy: Tensor, pool: ThreadPool) -> Tensor {
        precondition(dy.count == count, "gradient \(dy.shape) of a rectifier of \(shape)")
        let columns = shape[-1]
        let out = Tensor(uninitialised: shape)
        rowTiles(pool) { row, rows in
            let start = row * columns
            rectifierBackward(pointer + start, gradient: dy.pointer + start, into: out.pointer + start, count: rows * columns)
        }
        return out
    }

    /// self · factor + offset over the last axis, one factor and offset a channel.
    package func affine(factor: Tensor, offset: Tensor, pool: ThreadPool) -> Tensor {
        let columns = shape[-1]
        precondition(factor.count == columns && offset.count == columns, "affine map of \(shape) with \(factor.shape) and \(offset.shape)")
        let out = Tensor(uninitialised: shape)
        rowTiles(pool) { row, rows in
            normaliseChannels(
                pointer + row * columns, factor: factor.pointer, offset: offset.pointer, silu: false, into: out.pointer + row * columns,
                rows: rows, channels: columns)
        }
        return out
    }
}

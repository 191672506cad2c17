import Kernels

extension Tensor {
    /// x for x > 0, slope·x otherwise; the slope is positive.
    package func leakyReLU(slope: Float, pool: ThreadPool) -> Tensor {
        let out = Tensor(uninitialised: shape)
        rowTiles(pool) { row, rows in
            let start = row * shape[-1]
            Kernels.leakyReLU(pointer + start, slope: slope, into: out.pointer + start, count: rows * shape[-1])
        }
        return out
    }

    /// dx of `leakyReLU` from its input or its result, which is self: both have the same sign.
    package func leakyReLUGradient(_ dy: Tensor, slope: Float, pool: ThreadPool) -> Tensor {
        precondition(dy.count == count, "gradient \(dy.shape) for a leaky ReLU of \(shape)")
        let out = Tensor(uninitialised: shape)
        rowTiles(pool) { row, rows in
            let start = row * shape[-1]
            leakyReLUBackward(
                pointer + start, gradient: dy.pointer + start, slope: slope, into: out.pointer + start, count: rows * shape[-1])
        }
        return out
    }
}

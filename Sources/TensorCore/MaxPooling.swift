import Kernels

extension Tensor {
    /// The largest of every 2×2 pixels, stride 2: `[B, H, W, C]` → `[B, ⌊H/2⌋, ⌊W/2⌋, C]`.
    package func maxPooled(pool: ThreadPool) -> Tensor {
        precondition(shape.rank == 4, "maxima over pixels of \(shape)")
        let (height, width, channels) = (shape[1], shape[2], shape[3])
        let out = Tensor(uninitialised: [shape[0], height / 2, width / 2, channels])
        pool.parallel(shape[0] * (height / 2)) { index in
            maxPoolLine(
                pointer + line(index), width: width, channels: channels, into: out.pointer + index * (width / 2) * channels)
        }
        return out
    }

    /// dx of `maxPooled` for the input self.
    package func maxPoolGradient(_ dy: Tensor, pool: ThreadPool) -> Tensor {
        let (height, width, channels) = (shape[1], shape[2], shape[3])
        precondition(dy.count == shape[0] * (height / 2) * (width / 2) * channels, "gradient \(dy.shape) of maxima over \(shape)")
        // Every line is written but an odd last one.
        let dx = height % 2 == 0 ? Tensor(uninitialised: shape) : Tensor(zeros: shape)
        pool.parallel(shape[0] * (height / 2)) { index in
            maxPoolLineBackward(
                pointer + line(index), gradient: dy.pointer + index * (width / 2) * channels, width: width, channels: channels,
                into: dx.pointer + line(index))
        }
        return dx
    }

    /// Where the two lines lie that a line of maxima comes from.
    private func line(_ index: Int) -> Int {
        let half = shape[1] / 2
        return (index / half * shape[1] + index % half * 2) * shape[2] * shape[3]
    }
}

import Kernels

/// Mean and squares of every channel over the images and positions of a batch.
public struct BatchStatistics: Sendable, Equatable {
    /// Values a channel.
    public let count: Int
    /// `[C]`
    public let means: [Double]
    /// Σ (x − mean)², `[C]`
    let squares: [Double]

    /// Σ (x − mean)²/n, by which the batch is normalised.
    public var variances: [Double] { squares.map { $0 / Double(count) } }
    /// Σ (x − mean)²/(n − 1), of which running averages are kept.
    public var unbiasedVariances: [Double] { squares.map { $0 / Double(count - 1) } }
}

/// Batch normalisation of channels-last values `[B, …, C]`: every channel over all images and positions, with gain and bias `[C]`, then a leaky
/// ReLU (spec 5, PatchGAN).
///
/// Positions of all images are cut into chunks (`PositionChunks`). A chunk's mean and squares are taken while it is in the cache; chunks are combined
/// in order, in double precision.
package struct BatchNormalisation {
    let positions: Int
    let channels: Int
    let epsilon: Float
    /// Of the leaky ReLU; 1 for none.
    let slope: Float
    private let chunks: PositionChunks

    /// What values are normalised by, `[C]` each.
    package struct Scale: Sendable {
        let center: Tensor
        let inverse: Tensor
        /// Whether these are the values' own mean and deviation, so that gradients pass through them.
        let isOfInput: Bool
    }

    package init(shape: Shape, epsilon: Float, slope: Float) {
        precondition(slope > 0, "a leaky ReLU of slope \(slope), which must be positive")
        channels = shape[-1]
        positions = shape.count / max(channels, 1)
        self.epsilon = epsilon
        self.slope = slope
        chunks = PositionChunks(positions, channels: channels)
    }

    /// The scale by a batch's own statistics.
    package func scale(_ statistics: BatchStatistics) -> Scale {
        scale(means: statistics.means, variances: statistics.variances, isOfInput: true)
    }

    /// The scale by given statistics, `[C]` each.
    package func scale(means: [Float], variances: [Float]) -> Scale {
        scale(means: means.map(Double.init), variances: variances.map(Double.init), isOfInput: false)
    }

    private func scale(means: [Double], variances: [Double], isOfInput: Bool) -> Scale {
        precondition(
            means.count == channels && variances.count == channels,
            "\(means.count) means and \(variances.count) variances for \(channels) channels")
        return Scale(
            center: Tensor(means.map { Float($0) }, [channels]),
            inverse: Tensor(variances.map { Float(1 / ($0 + Double(epsilon)).squareRoot()) }, [channels]), isOfInput: isOfInput)
    }

    /// Calls `body(chunk, positions)` for every chunk on the pool.
    private func forEachChunk(_ pool: ThreadPool, _ body: (Int, Range<Int>) -> Void) {
        pool.parallel(chunks.count) { chunk in body(chunk, chunks[chunk]) }
    }

    private func at(_ x: Tensor, _ rows: Range<Int>) -> UnsafeMutablePointer<Float> { x.pointer + rows.lowerBound * channels }

    /// f(gain·(x − center)·inverse + bias) with the leaky ReLU f.
    package func forward(_ x: Tensor, gain: Tensor, bias: Tensor, scale: Scale, pool: ThreadPool) -> Tensor {
        let out = Tensor(uninitialised: x.shape)
        let (factor, offset) = affine(gain, bias, scale)
        forEachChunk(pool) { _, rows in
            normaliseChannels(
                at(x, rows), factor: factor.pointer, offset: offset.pointer, slope: slope, into: at(out, rows), rows: rows.count,
                channels: channels)
        }
        return out
    }

    /// dx; += the gradients of gain and bias `[C]`.
    package func backward(
        _ dy: Tensor, input x: Tensor, gain: Tensor, bias: Tensor, scale: Scale, gainGradient: Tensor, biasGradient: Tensor,
        pool: ThreadPool
    ) -> Tensor {
        let (factor, offset) = affine(gain, bias, scale)
        let dx = Tensor(uninitialised: x.shape)
        var partial = [Double](repeating: 0, count: chunks.count * 2 * channels)
        partial.withUnsafeMutableBufferPointer { partial in
            nonisolated(unsafe) let partial = partial
            forEachChunk(pool) { chunk, rows in
                guard let sums = partial.baseAddress.map({ $0 + chunk * 2 * channels }) else { return }
                Storage.withScratch(2 * channels) { scratch in
                    batchNormGradientSums(
                        at(x, rows), factor: factor.pointer, offset: offset.pointer, slope: slope, center: scale.center.pointer,
                        inverse: scale.inverse.pointer, gradient: at(dy, rows), into: at(dx, rows), rows: rows.count, channels: channels,
                        scratch: scratch, sums: sums, projections: sums + channels)
                }
            }
        }
        // Means over the batch of gain·d and gain·d·x̂, times the inverse deviation; none where the scale is a constant.
        let mean = Tensor(zeros: [channels])
        let projection = Tensor(zeros: [channels])
        for c in 0..<channels {
            var (sum, projected) = (0.0, 0.0)
            for chunk in 0..<chunks.count {
                sum += partial[chunk * 2 * channels + c]
                projected += partial[(chunk * 2 + 1) * channels + c]
            }
            biasGradient.pointer[c] += Float(sum)
            gainGradient.pointer[c] += Float(projected)
            guard scale.isOfInput else { continue }
            let share = Double(factor.pointer[c]) / Double(positions)
            mean.pointer[c] = Float(sum * share)
            projection.pointer[c] = Float(projected * share)
        }
        forEachChunk(pool) { _, rows in
            groupNormInputGradient(
                at(x, rows), center: scale.center.pointer, inverse: scale.inverse.pointer, factor: factor.pointer, mean: mean.pointer,
                projection: projection.pointer, gradient: at(dx, rows), rows: rows.count, channels: channels)
        }
        return dx
    }

    /// Normalisation and affine map as one factor and one offset per channel.
    private func affine(_ gain: Tensor, _ bias: Tensor, _ scale: Scale) -> (factor: Tensor, offset: Tensor) {
        precondition(
            gain.count == channels && bias.count == channels, "gain \(gain.shape) and bias \(bias.shape) for \(channels) channels")
        let factor = Tensor(uninitialised: [channels])
        let offset = Tensor(uninitialised: [channels])
        for c in 0..<channels {
            factor.pointer[c] = gain.pointer[c] * scale.inverse.pointer[c]
            offset.pointer[c] = bias.pointer[c] - scale.center.pointer[c] * factor.pointer[c]
        }
        return (factor, offset)
    }

    /// Mean and squares of every channel: chunks' means and squares around them, combined by Chan's formula.
    package func statistics(of x: Tensor, pool: ThreadPool) -> BatchStatistics {
        precondition(positions > 1, "a value of shape \(x.shape) has no variance over its batch: one value a channel")
        // Per chunk: Σ x of every channel, then Σ (x − chunk's mean)².
        var partial = [Double](repeating: 0, count: chunks.count * 2 * channels)
        partial.withUnsafeMutableBufferPointer { partial in
            nonisolated(unsafe) let partial = partial
            forEachChunk(pool) { chunk, rows in
                guard let sums = partial.baseAddress.map({ $0 + chunk * 2 * channels }) else { return }
                let squares = sums + channels
                Storage.withScratch(2 * channels) { scratch in
                    let center = scratch + channels
                    channelSums(at(x, rows), rows: rows.count, channels: channels, scratch: scratch, into: sums)
                    for c in 0..<channels { center[c] = Float(sums[c] / Double(rows.count)) }
                    channelSquares(at(x, rows), center: center, rows: rows.count, channels: channels, scratch: scratch, into: squares)
                    for c in 0..<channels {
                        // Around the exact chunk mean rather than its Float.
                        let rounding = sums[c] / Double(rows.count) - Double(center[c])
                        squares[c] -= Double(rows.count) * rounding * rounding
                    }
                }
            }
        }
        var means = [Double](repeating: 0, count: channels)
        var squares = means
        for chunk in 0..<chunks.count {
            for c in 0..<channels { means[c] += partial[chunk * 2 * channels + c] }
        }
        for c in 0..<channels { means[c] /= Double(positions) }
        for chunk in 0..<chunks.count {
            let count = Double(chunks[chunk].count)
            for c in 0..<channels {
                let distance = partial[chunk * 2 * channels + c] / count - means[c]
                squares[c] += partial[(chunk * 2 + 1) * channels + c] + count * distance * distance
            }
        }
        // Rounding may leave a constant channel a hair below zero. Written so that NaN stays NaN.
        return BatchStatistics(count: positions, means: means, squares: squares.map { $0 < 0 ? 0 : $0 })
    }
}

import Kernels

/// Group normalisation of channels-last values `[B, …, C]` over each group's channels and all positions of an image, gain and bias per channel
/// (or per image and channel), then SiLU if asked.
///
/// An image's positions are cut into chunks (`PositionChunks`). A chunk's mean and squares are taken while it is in the cache; chunks are combined in
/// order, in double precision.
package struct GroupNormalisation {
    let batch: Int
    let positions: Int
    let channels: Int
    let groups: Int
    let epsilon: Float
    let silu: Bool
    private let chunks: PositionChunks

    /// What the backward pass needs: per image and channel `[B, C]` the group's mean and inverse deviation.
    package struct Statistics: Sendable {
        let center: Tensor
        let inverse: Tensor
    }

    package init(shape: Shape, groups: Int, epsilon: Float, silu: Bool) {
        batch = shape[0]
        channels = shape[-1]
        positions = shape.count / max(batch * channels, 1)
        precondition(channels % groups == 0, "\(channels) channels do not divide into \(groups) groups")
        self.groups = groups
        self.epsilon = epsilon
        self.silu = silu
        chunks = PositionChunks(positions, channels: channels)
    }

    private var groupWidth: Int { channels / groups }

    /// Calls `body(image, chunk, rows)` for every chunk on the pool; rows count from the image's first position.
    private func forEachChunk(_ pool: ThreadPool, _ body: (Int, Int, Range<Int>) -> Void) {
        pool.parallel(batch * chunks.count) { unit in
            let chunk = unit % chunks.count
            body(unit / chunks.count, chunk, chunks[chunk])
        }
    }

    private func at(_ x: Tensor, _ image: Int, _ rows: Range<Int>) -> UnsafeMutablePointer<Float> {
        x.pointer + (image * positions + rows.lowerBound) * channels
    }

    /// How far apart the gains of two images lie: 0 if all images share one row.
    private func stride(of gain: Tensor) -> Int {
        precondition(gain.count == channels || gain.count == batch * channels, "gain \(gain.shape) for \(batch) images of \(channels) channels")
        return gain.count == channels ? 0 : channels
    }

    package func forward(_ x: Tensor, gain: Tensor, bias: Tensor, pool: ThreadPool) -> (Tensor, Statistics) {
        let statistics = self.statistics(of: x, pool: pool)
        return (forward(x, gain: gain, bias: bias, statistics: statistics, pool: pool), statistics)
    }

    /// The same with statistics taken before.
    package func forward(_ x: Tensor, gain: Tensor, bias: Tensor, statistics: Statistics, pool: ThreadPool) -> Tensor {
        let out = Tensor(uninitialised: x.shape)
        let (factor, offset) = affine(gain, bias, stride(of: gain), statistics)
        forEachChunk(pool) { image, _, rows in
            normaliseChannels(
                at(x, image, rows), factor: factor.pointer + image * channels, offset: offset.pointer + image * channels, silu: silu,
                into: at(out, image, rows), rows: rows.count, channels: channels)
        }
        return out
    }

    /// dx; (+)= the gradients of gain and bias, in the shapes they have.
    package func backward(
        _ dy: Tensor, input x: Tensor, gain: Tensor, bias: Tensor, statistics: Statistics, gainGradient: Tensor, biasGradient: Tensor,
        pool: ThreadPool
    ) -> Tensor {
        let gainStride = stride(of: gain)
        let (factor, offset) = affine(gain, bias, gainStride, statistics)
        let dx = Tensor(uninitialised: x.shape)
        var partial = [Double](repeating: 0, count: batch * chunks.count * 2 * channels)
        partial.withUnsafeMutableBufferPointer { partial in
            nonisolated(unsafe) let partial = partial
            forEachChunk(pool) { image, chunk, rows in
                guard let sums = partial.baseAddress.map({ $0 + (image * chunks.count + chunk) * 2 * channels }) else { return }
                Storage.withScratch(2 * channels) { scratch in
                    groupNormGradientSums(
                        at(x, image, rows), factor: factor.pointer + image * channels, offset: offset.pointer + image * channels, silu: silu,
                        center: statistics.center.pointer + image * channels, inverse: statistics.inverse.pointer + image * channels,
                        gradient: at(dy, image, rows), into: at(dx, image, rows), rows: rows.count, channels: channels, scratch: scratch,
                        sums: sums, projections: sums + channels)
                }
            }
        }
        let mean = Tensor(uninitialised: [batch, channels])
        let projection = Tensor(uninitialised: [batch, channels])
        for image in 0..<batch {
            var sums = [Double](repeating: 0, count: 2 * channels)
            for chunk in 0..<chunks.count {
                let start = (image * chunks.count + chunk) * 2 * channels
                for i in 0..<(2 * channels) { sums[i] += partial[start + i] }
            }
            for c in 0..<channels {
                biasGradient.pointer[image * gainStride + c] += Float(sums[c])
                gainGradient.pointer[image * gainStride + c] += Float(sums[channels + c])
            }
            for group in 0..<groups {
                let members = (group * groupWidth)..<((group + 1) * groupWidth)
                var (total, projected) = (0.0, 0.0)
                for c in members {
                    let g = Double(gain.pointer[image * gainStride + c])
                    total += sums[c] * g
                    projected += sums[channels + c] * g
                }
                for c in members {
                    let inverse = statistics.inverse.pointer[image * channels + c] / Float(groupWidth * positions)
                    mean.pointer[image * channels + c] = Float(total) * inverse
                    projection.pointer[image * channels + c] = Float(projected) * inverse
                }
            }
        }
        forEachChunk(pool) { image, _, rows in
            groupNormInputGradient(
                at(x, image, rows), center: statistics.center.pointer + image * channels,
                inverse: statistics.inverse.pointer + image * channels, factor: factor.pointer + image * channels,
                mean: mean.pointer + image * channels, projection: projection.pointer + image * channels, gradient: at(dx, image, rows),
                rows: rows.count, channels: channels)
        }
        return dx
    }

    /// Normalisation and affine map as one factor and one offset per image and channel.
    private func affine(_ gain: Tensor, _ bias: Tensor, _ gainStride: Int, _ statistics: Statistics) -> (factor: Tensor, offset: Tensor) {
        let factor = Tensor(uninitialised: [batch, channels])
        let offset = Tensor(uninitialised: [batch, channels])
        for image in 0..<batch {
            for c in 0..<channels {
                let i = image * channels + c
                factor.pointer[i] = gain.pointer[image * gainStride + c] * statistics.inverse.pointer[i]
                offset.pointer[i] = bias.pointer[image * gainStride + c] - statistics.center.pointer[i] * factor.pointer[i]
            }
        }
        return (factor, offset)
    }

    /// Mean and inverse deviation of every group: chunks' means and squares around them, combined by Chan's formula.
    private func statistics(of x: Tensor, pool: ThreadPool) -> Statistics {
        // Per chunk and group: mean, and Σ (x − mean)².
        var partial = [Double](repeating: 0, count: batch * chunks.count * groups * 2)
        partial.withUnsafeMutableBufferPointer { partial in
            nonisolated(unsafe) let partial = partial
            forEachChunk(pool) { image, chunk, rows in
                let start = (image * chunks.count + chunk) * groups * 2
                withUnsafeTemporaryAllocation(of: Double.self, capacity: channels) { sums in
                    sums.initialize(repeating: 0)
                    guard let perChannel = sums.baseAddress else { return }
                    Storage.withScratch(2 * channels) { scratch in
                        let center = scratch + channels
                        channelSums(at(x, image, rows), rows: rows.count, channels: channels, scratch: scratch, into: perChannel)
                        for group in 0..<groups {
                            var total = 0.0
                            for c in (group * groupWidth)..<((group + 1) * groupWidth) { total += perChannel[c] }
                            let mean = Float(total / Double(groupWidth * rows.count))
                            for c in (group * groupWidth)..<((group + 1) * groupWidth) {
                                center[c] = mean
                                perChannel[c] = 0
                            }
                            partial[start + 2 * group] = total
                        }
                        channelSquares(
                            at(x, image, rows), center: center, rows: rows.count, channels: channels, scratch: scratch, into: perChannel)
                        for group in 0..<groups {
                            var squares = 0.0
                            for c in (group * groupWidth)..<((group + 1) * groupWidth) { squares += perChannel[c] }
                            // Around the exact chunk mean rather than its Float.
                            let count = Double(groupWidth * rows.count)
                            let rounding = partial[start + 2 * group] / count - Double(center[group * groupWidth])
                            partial[start + 2 * group + 1] = squares - count * rounding * rounding
                        }
                    }
                }
            }
        }
        let statistics = Statistics(center: Tensor(uninitialised: [batch, channels]), inverse: Tensor(uninitialised: [batch, channels]))
        for image in 0..<batch {
            for group in 0..<groups {
                func total(_ chunk: Int) -> Double { partial[((image * chunks.count + chunk) * groups + group) * 2] }
                func squares(_ chunk: Int) -> Double { partial[((image * chunks.count + chunk) * groups + group) * 2 + 1] }
                func count(_ chunk: Int) -> Double { Double(groupWidth * chunks[chunk].count) }
                let mean = (0..<chunks.count).reduce(0.0) { $0 + total($1) } / Double(groupWidth * positions)
                let variance =
                    (0..<chunks.count).reduce(0.0) { sum, chunk in
                        let distance = total(chunk) / count(chunk) - mean
                        return sum + squares(chunk) + count(chunk) * distance * distance
                    } / Double(groupWidth * positions)
                for c in (group * groupWidth)..<((group + 1) * groupWidth) {
                    statistics.center.pointer[image * channels + c] = Float(mean)
                    statistics.inverse.pointer[image * channels + c] = Float(1 / (variance + Double(epsilon)).squareRoot())
                }
            }
        }
        return statistics
    }
}

import Kernels

/// What the backward pass of a layer normalisation needs: mean and inverse deviation of every row.
package struct LayerNormStatistics: Sendable {
    let mean: Tensor
    let inverseDeviation: Tensor
}

/// What the backward pass of a group normalisation needs: per image and channel `[B, C]` the group's mean and inverse deviation.
package struct GroupNormStatistics: Sendable {
    let center: Tensor
    let inverse: Tensor
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

    /// Group normalisation of a channels-last map or token sequence `[B, …, C]`: statistics over a group's channels and all positions, then
    /// gain and bias, each `[C]` or one row an image `[B, C]`, then SiLU if asked.
    package func groupNorm(
        groups: Int, gain: Tensor, bias: Tensor, epsilon: Float, silu: Bool, pool: ThreadPool
    ) -> (Tensor, GroupNormStatistics) {
        let (batch, channels) = (shape[0], shape[-1])
        let positions = count / max(batch * channels, 1)
        precondition(channels % groups == 0, "\(channels) channels do not divide into \(groups) groups")
        precondition(gain.count == channels || gain.count == batch * channels, "group norm of \(shape) with gain \(gain.shape)")
        let gainStride = gain.count == channels ? 0 : channels
        let out = Tensor(uninitialised: shape)
        let statistics = GroupNormStatistics(
            center: Tensor(uninitialised: [batch, channels]), inverse: Tensor(uninitialised: [batch, channels]))
        pool.parallel(batch) { image in
            let x = pointer + image * positions * channels
            let center = statistics.center.pointer + image * channels
            let inverse = statistics.inverse.pointer + image * channels
            let gain = gain.pointer + image * gainStride
            let bias = bias.pointer + image * gainStride
            withDoubles(channels) { sums in
                Storage.withScratch(2 * channels) { scratch in
                    channelSums(x, rows: positions, channels: channels, scratch: scratch, into: sums)
                    spreadGroupMeans(sums, groups: groups, channels: channels, count: positions) { center[$0] = Float($1) }
                    for c in 0..<channels { sums[c] = 0 }
                    channelSquares(x, center: center, rows: positions, channels: channels, scratch: scratch, into: sums)
                    spreadGroupMeans(sums, groups: groups, channels: channels, count: positions) {
                        inverse[$0] = Float(1 / ($1 + Double(epsilon)).squareRoot())
                    }
                    for c in 0..<channels {
                        scratch[c] = gain[c] * inverse[c]
                        scratch[channels + c] = bias[c] - center[c] * scratch[c]
                    }
                    normaliseChannels(
                        x, factor: scratch, offset: scratch + channels, silu: silu,
                        into: out.pointer + image * positions * channels, rows: positions, channels: channels)
                }
            }
        }
        return (out, statistics)
    }

    /// dx of `groupNorm` for the input self; (+)= the gradients of gain and bias (same shapes as they have).
    package func groupNormGradient(
        _ dy: Tensor, groups: Int, gain: Tensor, bias: Tensor, statistics: GroupNormStatistics, silu: Bool,
        gainGradient: Tensor, biasGradient: Tensor, pool: ThreadPool
    ) -> Tensor {
        let (batch, channels) = (shape[0], shape[-1])
        let positions = count / max(batch * channels, 1)
        let gainStride = gain.count == channels ? 0 : channels
        let dx = dy.copied()
        let shares = Tensor(uninitialised: [2, batch, channels])
        pool.parallel(batch) { image in
            let x = pointer + image * positions * channels
            let center = statistics.center.pointer + image * channels
            let inverse = statistics.inverse.pointer + image * channels
            let gain = gain.pointer + image * gainStride
            let bias = bias.pointer + image * gainStride
            let gradient = dx.pointer + image * positions * channels
            withDoubles(2 * channels) { sums in
                let projections = sums + channels
                Storage.withScratch(6 * channels) { scratch in
                    let factor = scratch + 2 * channels
                    let offset = scratch + 3 * channels
                    let mean = scratch + 4 * channels
                    let projection = scratch + 5 * channels
                    for c in 0..<channels {
                        factor[c] = gain[c] * inverse[c]
                        offset[c] = bias[c] - center[c] * factor[c]
                    }
                    groupNormGradientSums(
                        x, factor: factor, offset: offset, silu: silu, center: center, inverse: inverse, gradient: gradient,
                        rows: positions, channels: channels, scratch: scratch, sums: sums, projections: projections)
                    for c in 0..<channels {
                        shares.pointer[image * channels + c] = Float(projections[c])
                        shares.pointer[(batch + image) * channels + c] = Float(sums[c])
                        sums[c] *= Double(gain[c])
                        projections[c] *= Double(gain[c])
                    }
                    spreadGroupMeans(sums, groups: groups, channels: channels, count: positions) { mean[$0] = Float($1) * inverse[$0] }
                    spreadGroupMeans(projections, groups: groups, channels: channels, count: positions) {
                        projection[$0] = Float($1) * inverse[$0]
                    }
                    groupNormInputGradient(
                        x, center: center, inverse: inverse, factor: factor, mean: mean, projection: projection,
                        gradient: gradient, rows: positions, channels: channels)
                }
            }
        }
        for image in 0..<batch {
            let target = image * gainStride
            accumulate(shares.pointer + image * channels, into: gainGradient.pointer + target, count: channels)
            accumulate(shares.pointer + (batch + image) * channels, into: biasGradient.pointer + target, count: channels)
        }
        return dx
    }
}

/// Zeroed double-precision scratch.
private func withDoubles(_ count: Int, _ body: (UnsafeMutablePointer<Double>) -> Void) {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: max(count, 1)) { buffer in
        buffer.initialize(repeating: 0)
        if let base = buffer.baseAddress { body(base) }
    }
}

/// Calls `assign(channel, mean)` with the mean of each channel's group, given per-channel sums over `count` positions.
private func spreadGroupMeans(
    _ sums: UnsafeMutablePointer<Double>, groups: Int, channels: Int, count: Int, _ assign: (Int, Double) -> Void
) {
    let width = channels / groups
    for group in 0..<groups {
        var total = 0.0
        for c in (group * width)..<((group + 1) * width) { total += sums[c] }
        let mean = total / Double(width * count)
        for c in (group * width)..<((group + 1) * width) { assign(c, mean) }
    }
}

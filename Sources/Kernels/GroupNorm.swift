// Pieces of group normalisation over channels-last maps: per-channel sums of one image's pixels, and the normalising pass with an optional SiLU.
internal import CFloat

/// Adds Σ_r x[r, c] to `sums [channels]`, double precision over blocks of 64 rows.
@inline(never)
package func channelSums(
    _ x: UnsafePointer<Float>, rows: Int, channels: Int, scratch: UnsafeMutablePointer<Float>,
    into sums: UnsafeMutablePointer<Double>
) {
    var start = 0
    while start < rows {
        let length = rows &- start < 64 ? rows &- start : 64
        for c in 0..<channels { scratch[c] = 0 }
        accumulateColumnSums(x + start &* channels, into: scratch, rows: length, columns: channels)
        for c in 0..<channels { sums[c] += Double(scratch[c]) }
        start &+= length
    }
}

/// Adds Σ_r (x[r, c] − center[c])² to `sums [channels]`, double precision over blocks of 64 rows.
@inline(never)
package func channelSquares(
    _ x: UnsafePointer<Float>, center: UnsafePointer<Float>, rows: Int, channels: Int, scratch: UnsafeMutablePointer<Float>,
    into sums: UnsafeMutablePointer<Double>
) {
    var start = 0
    while start < rows {
        let length = rows &- start < 64 ? rows &- start : 64
        for c in 0..<channels { scratch[c] = 0 }
        for r in start..<(start &+ length) {
            let row = x + r &* channels
            for c in 0..<channels {
                let d = row[c] - center[c]
                scratch[c] = relaxed_multiply_add(d, d, scratch[c])
            }
        }
        for c in 0..<channels { sums[c] += Double(scratch[c]) }
        start &+= length
    }
}

/// out = x · factor[c] + offset[c] by pixels, then SiLU if asked: normalisation and affine map folded into one factor and offset a channel.
@inline(never)
package func normaliseChannels(
    _ x: UnsafePointer<Float>, factor: UnsafePointer<Float>, offset: UnsafePointer<Float>, silu: Bool,
    into out: UnsafeMutablePointer<Float>, rows: Int, channels: Int
) {
    for r in 0..<rows {
        let row = x + r &* channels
        let target = out + r &* channels
        if silu {
            for c in 0..<channels {
                let y = relaxed_multiply_add(row[c], factor[c], offset[c])
                target[c] = y * sigmoid(y)
            }
        } else {
            for c in 0..<channels { target[c] = relaxed_multiply_add(row[c], factor[c], offset[c]) }
        }
    }
}

/// First backward pass of a normalisation and its activation f: `out` gets the gradient d before the activation, and Σ d and Σ d·x̂ per channel are
/// added (double over blocks of 64 rows); x̂ = (x − center)·inverse.
///
/// - Parameter gradient: (y, dy) ↦ dy · f′(y) with y = x · factor + offset.
@inline(__always)
func gradientSums(
    _ x: UnsafePointer<Float>, factor: UnsafePointer<Float>, offset: UnsafePointer<Float>, center: UnsafePointer<Float>,
    inverse: UnsafePointer<Float>, gradient dy: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, rows: Int, channels: Int,
    scratch: UnsafeMutablePointer<Float>, sums: UnsafeMutablePointer<Double>, projections: UnsafeMutablePointer<Double>,
    through gradient: (_ y: Float, _ dy: Float) -> Float
) {
    let partialSum = scratch
    let partialProjection = scratch + channels
    var start = 0
    while start < rows {
        let length = rows &- start < 64 ? rows &- start : 64
        for c in 0..<channels {
            partialSum[c] = 0
            partialProjection[c] = 0
        }
        for r in start..<(start &+ length) {
            let row = x + r &* channels
            let d = out + r &* channels
            let source = dy + r &* channels
            for c in 0..<channels { d[c] = gradient(relaxed_multiply_add(row[c], factor[c], offset[c]), source[c]) }
            for c in 0..<channels {
                partialSum[c] += d[c]
                partialProjection[c] = relaxed_multiply_add(d[c], (row[c] - center[c]) * inverse[c], partialProjection[c])
            }
        }
        for c in 0..<channels {
            sums[c] += Double(partialSum[c])
            projections[c] += Double(partialProjection[c])
        }
        start &+= length
    }
}

/// `gradientSums` with a SiLU if asked.
@inline(never)
package func groupNormGradientSums(
    _ x: UnsafePointer<Float>, factor: UnsafePointer<Float>, offset: UnsafePointer<Float>, silu: Bool,
    center: UnsafePointer<Float>, inverse: UnsafePointer<Float>, gradient dy: UnsafePointer<Float>,
    into out: UnsafeMutablePointer<Float>, rows: Int, channels: Int, scratch: UnsafeMutablePointer<Float>,
    sums: UnsafeMutablePointer<Double>, projections: UnsafeMutablePointer<Double>
) {
    if silu {
        gradientSums(
            x, factor: factor, offset: offset, center: center, inverse: inverse, gradient: dy, into: out, rows: rows, channels: channels,
            scratch: scratch, sums: sums, projections: projections) { y, dy in dy * siluDerivative(y) }
    } else {
        gradientSums(
            x, factor: factor, offset: offset, center: center, inverse: inverse, gradient: dy, into: out, rows: rows, channels: channels,
            scratch: scratch, sums: sums, projections: projections) { _, dy in dy }
    }
}

/// Second backward pass: dx = factor[c]·dy − mean[c] − x̂·projection[c], where factor = gain·inverse and the other two are the group means of
/// gain·dy and gain·dy·x̂ times inverse. In place of dy.
@inline(never)
package func groupNormInputGradient(
    _ x: UnsafePointer<Float>, center: UnsafePointer<Float>, inverse: UnsafePointer<Float>, factor: UnsafePointer<Float>,
    mean: UnsafePointer<Float>, projection: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>, rows: Int, channels: Int
) {
    for r in 0..<rows {
        let row = x + r &* channels
        let d = gradient + r &* channels
        for c in 0..<channels {
            let normalised = (row[c] - center[c]) * inverse[c]
            d[c] = relaxed_multiply_add(d[c], factor[c], -relaxed_multiply_add(normalised, projection[c], mean[c]))
        }
    }
}

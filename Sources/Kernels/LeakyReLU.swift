// Leaky ReLU, f(x) = x for x > 0 and slope·x otherwise, alone and in the passes of a normalisation. A slope of 1 makes it the identity.
// Slopes are positive: f(x) then has the sign of x, so either tells the derivative.
internal import CFloat

/// out = f(x)
@inline(never)
package func leakyReLU(_ x: UnsafePointer<Float>, slope: Float, into out: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count { out[i] = x[i] > 0 ? x[i] : slope * x[i] }
}

/// dx = dy · f′(x), from x or from y = f(x).
@inline(never)
package func leakyReLUBackward(
    _ y: UnsafePointer<Float>, gradient: UnsafePointer<Float>, slope: Float, into out: UnsafeMutablePointer<Float>, count: Int
) {
    for i in 0..<count { out[i] = y[i] > 0 ? gradient[i] : slope * gradient[i] }
}

/// out = f(x · factor[c] + offset[c]) by pixels: normalisation, affine map and activation in one pass.
@inline(never)
package func normaliseChannels(
    _ x: UnsafePointer<Float>, factor: UnsafePointer<Float>, offset: UnsafePointer<Float>, slope: Float,
    into out: UnsafeMutablePointer<Float>, rows: Int, channels: Int
) {
    for r in 0..<rows {
        let row = x + r &* channels
        let target = out + r &* channels
        for c in 0..<channels {
            let y = relaxed_multiply_add(row[c], factor[c], offset[c])
            target[c] = y > 0 ? y : slope * y
        }
    }
}

/// `gradientSums` with a leaky ReLU. The second pass is `groupNormInputGradient`.
@inline(never)
package func batchNormGradientSums(
    _ x: UnsafePointer<Float>, factor: UnsafePointer<Float>, offset: UnsafePointer<Float>, slope: Float,
    center: UnsafePointer<Float>, inverse: UnsafePointer<Float>, gradient dy: UnsafePointer<Float>,
    into out: UnsafeMutablePointer<Float>, rows: Int, channels: Int, scratch: UnsafeMutablePointer<Float>,
    sums: UnsafeMutablePointer<Double>, projections: UnsafeMutablePointer<Double>
) {
    gradientSums(
        x, factor: factor, offset: offset, center: center, inverse: inverse, gradient: dy, into: out, rows: rows, channels: channels,
        scratch: scratch, sums: sums, projections: projections) { y, dy in y > 0 ? dy : slope * dy }
}

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

/// First backward pass of a normalisation with leaky ReLU: `d` gets the gradient before the activation, and Σ d and Σ d·x̂ per channel are
/// added (double over blocks of 64 rows); x̂ = (x − center)·inverse. The second pass is `groupNormInputGradient`.
@inline(never)
package func batchNormGradientSums(
    _ x: UnsafePointer<Float>, factor: UnsafePointer<Float>, offset: UnsafePointer<Float>, slope: Float,
    center: UnsafePointer<Float>, inverse: UnsafePointer<Float>, gradient dy: UnsafePointer<Float>,
    into out: UnsafeMutablePointer<Float>, rows: Int, channels: Int, scratch: UnsafeMutablePointer<Float>,
    sums: UnsafeMutablePointer<Double>, projections: UnsafeMutablePointer<Double>
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
            for c in 0..<channels {
                let y = relaxed_multiply_add(row[c], factor[c], offset[c])
                d[c] = y > 0 ? source[c] : slope * source[c]
            }
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

// Transforms of Winograd's F(4×4, 3×3): a 4×4 tile of outputs from a 6×6 tile of inputs with 36 multiplications where the definition takes 144
// (Lavin & Gray, 2016; interpolation points 0, ±1, ±2, ∞). Channels are contiguous, every loop runs over them.
internal import CFloat

/// Channels that are transformed together: the temporary 6×6 tile of them stays in the first-level cache.
private let winogradChannels = 64

/// Input tiles → V[36][tiles][channels], V = Bᵀ·d·B.
///
/// - Parameters:
///   - map: one image [height, width, channels].
///   - tiles: positions of the tiles in the image's grid of `tilesAcross` tiles a row; tile t starts at row 4·(t / tilesAcross) − padding.
///   - zeros: `channels` zeros, read in place of pixels outside.
///   - scratch: 36 · 64 floats.
///   - out: V of the first tile; the 36 planes are `planeStride` floats apart.
@inline(never)
package func winogradInputTransform(
    _ map: UnsafePointer<Float>, height: Int, width: Int, channels: Int, padding: Int, tilesAcross: Int, tiles: Range<Int>,
    zeros: UnsafePointer<Float>, scratch: UnsafeMutablePointer<Float>, into out: UnsafeMutablePointer<Float>, planeStride: Int
) {
    var target = out
    for tile in tiles {
        let top = 4 &* (tile / tilesAcross) &- padding
        let left = 4 &* (tile % tilesAcross) &- padding
        var start = 0
        while start < channels {
            let count = channels &- start < winogradChannels ? channels &- start : winogradChannels
            for x in 0..<6 {
                let column = left &+ x
                let inside = column >= 0 && column < width
                @inline(__always) func row(_ y: Int) -> UnsafePointer<Float> {
                    let line = top &+ y
                    return inside && line >= 0 && line < height ? map + ((line &* width &+ column) &* channels &+ start) : zeros
                }
                winogradInputLine(
                    row(0), row(1), row(2), row(3), row(4), row(5), into: scratch + x &* winogradChannels,
                    stride: 6 &* winogradChannels, count: count)
            }
            for y in 0..<6 {
                let line = scratch + 6 &* y &* winogradChannels
                winogradInputLine(
                    line, line + winogradChannels, line + 2 &* winogradChannels, line + 3 &* winogradChannels,
                    line + 4 &* winogradChannels, line + 5 &* winogradChannels, into: target + (6 &* y &* planeStride &+ start),
                    stride: planeStride, count: count)
            }
            start &+= count
        }
        target += channels
    }
}

/// Bᵀ on six values a channel.
@inline(__always)
private func winogradInputLine(
    _ d0: UnsafePointer<Float>, _ d1: UnsafePointer<Float>, _ d2: UnsafePointer<Float>, _ d3: UnsafePointer<Float>,
    _ d4: UnsafePointer<Float>, _ d5: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, stride: Int, count: Int
) {
    for c in 0..<count {
        let (a, b) = (relaxed_multiply_add(-4, d2[c], d4[c]), relaxed_multiply_add(-4, d1[c], d3[c]))
        let (p, q) = (d4[c] - d2[c], 2 * (d3[c] - d1[c]))
        out[c] = relaxed_multiply_add(4, d0[c], relaxed_multiply_add(-5, d2[c], d4[c]))
        out[c &+ stride] = a + b
        out[c &+ 2 &* stride] = a - b
        out[c &+ 3 &* stride] = p + q
        out[c &+ 4 &* stride] = p - q
        out[c &+ 5 &* stride] = relaxed_multiply_add(4, d1[c], relaxed_multiply_add(-5, d3[c], d5[c]))
    }
}

/// Products → output tiles: y = Aᵀ·M·A + bias, written where it lies inside the image.
///
/// - Parameters:
///   - products: M of the first tile; planes `planeStride` floats apart.
///   - bias: `channels` floats, or nil.
///   - scratch: 24 · 64 floats.
///   - map: one image [height, width, channels], written.
@inline(never)
package func winogradOutputTransform(
    _ products: UnsafePointer<Float>, planeStride: Int, bias: UnsafePointer<Float>?, tilesAcross: Int, tiles: Range<Int>,
    scratch: UnsafeMutablePointer<Float>, into map: UnsafeMutablePointer<Float>, height: Int, width: Int, channels: Int
) {
    var source = products
    for tile in tiles {
        let top = 4 &* (tile / tilesAcross)
        let left = 4 &* (tile % tilesAcross)
        var start = 0
        while start < channels {
            let count = channels &- start < winogradChannels ? channels &- start : winogradChannels
            for x in 0..<6 {
                winogradOutputLine(
                    source + (x &* planeStride &+ start), stride: 6 &* planeStride, bias: nil, into: scratch + x &* winogradChannels,
                    targetStride: 6 &* winogradChannels, valid: 4, count: count)
            }
            for y in 0..<4 where top &+ y < height {
                winogradOutputLine(
                    scratch + 6 &* y &* winogradChannels, stride: winogradChannels, bias: bias.map { $0 + start },
                    into: map + (((top &+ y) &* width &+ left) &* channels &+ start), targetStride: channels,
                    valid: width &- left < 4 ? width &- left : 4, count: count)
            }
            start &+= count
        }
        source += channels
    }
}

/// Aᵀ on six values a channel, of which the first `valid` results are written.
@inline(__always)
private func winogradOutputLine(
    _ m: UnsafePointer<Float>, stride: Int, bias: UnsafePointer<Float>?, into out: UnsafeMutablePointer<Float>, targetStride: Int,
    valid: Int, count: Int
) {
    let (m1, m2, m3, m4, m5) = (m + stride, m + 2 &* stride, m + 3 &* stride, m + 4 &* stride, m + 5 &* stride)
    if valid == 4 {
        for c in 0..<count {
            let offset = bias.map { $0[c] } ?? 0
            let (sum, difference) = (m1[c] + m2[c], m1[c] - m2[c])
            let (outerSum, outerDifference) = (m3[c] + m4[c], m3[c] - m4[c])
            out[c] = m[c] + sum + outerSum + offset
            out[c &+ targetStride] = relaxed_multiply_add(2, outerDifference, difference) + offset
            out[c &+ 2 &* targetStride] = relaxed_multiply_add(4, outerSum, sum) + offset
            out[c &+ 3 &* targetStride] = relaxed_multiply_add(8, outerDifference, difference) + m5[c] + offset
        }
        return
    }
    for c in 0..<count {
        let offset = bias.map { $0[c] } ?? 0
        let (sum, difference) = (m1[c] + m2[c], m1[c] - m2[c])
        let (outerSum, outerDifference) = (m3[c] + m4[c], m3[c] - m4[c])
        out[c] = m[c] + sum + outerSum + offset
        if valid > 1 { out[c &+ targetStride] = relaxed_multiply_add(2, outerDifference, difference) + offset }
        if valid > 2 { out[c &+ 2 &* targetStride] = relaxed_multiply_add(4, outerSum, sum) + offset }
    }
}

/// Output gradients of tiles → dM[36][tiles][channels], dM = A·dy·Aᵀ; pixels outside the image count as zero.
///
/// Parameters as in `winogradInputTransform`; `scratch` holds 24 · 64 floats.
@inline(never)
package func winogradGradientTransform(
    _ map: UnsafePointer<Float>, height: Int, width: Int, channels: Int, tilesAcross: Int, tiles: Range<Int>,
    zeros: UnsafePointer<Float>, scratch: UnsafeMutablePointer<Float>, into out: UnsafeMutablePointer<Float>, planeStride: Int
) {
    var target = out
    for tile in tiles {
        let top = 4 &* (tile / tilesAcross)
        let left = 4 &* (tile % tilesAcross)
        var start = 0
        while start < channels {
            let count = channels &- start < winogradChannels ? channels &- start : winogradChannels
            for x in 0..<4 {
                let column = left &+ x
                @inline(__always) func row(_ y: Int) -> UnsafePointer<Float> {
                    let line = top &+ y
                    return column < width && line < height ? map + ((line &* width &+ column) &* channels &+ start) : zeros
                }
                winogradGradientLine(
                    row(0), row(1), row(2), row(3), into: scratch + x &* winogradChannels, stride: 4 &* winogradChannels, count: count)
            }
            for y in 0..<6 {
                let line = scratch + 4 &* y &* winogradChannels
                winogradGradientLine(
                    line, line + winogradChannels, line + 2 &* winogradChannels, line + 3 &* winogradChannels,
                    into: target + (6 &* y &* planeStride &+ start), stride: planeStride, count: count)
            }
            start &+= count
        }
        target += channels
    }
}

/// A on four values a channel.
@inline(__always)
private func winogradGradientLine(
    _ y0: UnsafePointer<Float>, _ y1: UnsafePointer<Float>, _ y2: UnsafePointer<Float>, _ y3: UnsafePointer<Float>,
    into out: UnsafeMutablePointer<Float>, stride: Int, count: Int
) {
    for c in 0..<count {
        let (even, odd) = (y0[c] + y2[c], y1[c] + y3[c])
        let wideEven = relaxed_multiply_add(4, y2[c], y0[c])
        let wideOdd = 2 * relaxed_multiply_add(4, y3[c], y1[c])
        out[c] = y0[c]
        out[c &+ stride] = even + odd
        out[c &+ 2 &* stride] = even - odd
        out[c &+ 3 &* stride] = wideEven + wideOdd
        out[c &+ 4 &* stride] = wideEven - wideOdd
        out[c &+ 5 &* stride] = y3[c]
    }
}

/// Weights of one output → U[36][inputs], U = G·g·Gᵀ. `weight [3, 3, inputs]`; `turned` takes the kernel turned by 180°, as the data gradient needs.
/// Planes are `planeStride` floats apart; `scratch` holds 18 · inputs floats.
@inline(never)
package func winogradWeightTransform(
    _ weight: UnsafePointer<Float>, inputs: Int, turned: Bool, scratch: UnsafeMutablePointer<Float>,
    into out: UnsafeMutablePointer<Float>, planeStride: Int
) {
    for kx in 0..<3 {
        @inline(__always) func tap(_ ky: Int) -> UnsafePointer<Float> {
            weight + (turned ? 8 &- ky &* 3 &- kx : ky &* 3 &+ kx) &* inputs
        }
        winogradWeightLine(tap(0), tap(1), tap(2), into: scratch + kx &* inputs, stride: 3 &* inputs, count: inputs)
    }
    for y in 0..<6 {
        let line = scratch + 3 &* y &* inputs
        winogradWeightLine(
            line, line + inputs, line + 2 &* inputs, into: out + 6 &* y &* planeStride, stride: planeStride,
            count: inputs)
    }
}

/// G on three values a channel.
@inline(__always)
private func winogradWeightLine(
    _ g0: UnsafePointer<Float>, _ g1: UnsafePointer<Float>, _ g2: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>,
    stride: Int, count: Int
) {
    for c in 0..<count {
        let outer = g0[c] + g2[c]
        let wide = relaxed_multiply_add(4, g2[c], g0[c])
        out[c] = 0.25 * g0[c]
        out[c &+ stride] = (outer + g1[c]) * (-1 / 6)
        out[c &+ 2 &* stride] = (outer - g1[c]) * (-1 / 6)
        out[c &+ 3 &* stride] = relaxed_multiply_add(2, g1[c], wide) * (1 / 24)
        out[c &+ 4 &* stride] = relaxed_multiply_add(-2, g1[c], wide) * (1 / 24)
        out[c &+ 5 &* stride] = g2[c]
    }
}

/// dU[36][inputs] of one output → adds Gᵀ·dU·G to `weightGradient [3, 3, inputs]`; planes are `planeStride` apart; `scratch` holds 18 · inputs floats.
@inline(never)
package func winogradWeightGradientTransform(
    _ gradient: UnsafePointer<Float>, planeStride: Int, inputs: Int, scratch: UnsafeMutablePointer<Float>,
    into weightGradient: UnsafeMutablePointer<Float>
) {
    for x in 0..<6 {
        winogradWeightGradientLine(
            gradient + x &* planeStride, stride: 6 &* planeStride, into: scratch + x &* inputs, targetStride: 6 &* inputs, adding: false,
            count: inputs)
    }
    for ky in 0..<3 {
        winogradWeightGradientLine(
            scratch + 6 &* ky &* inputs, stride: inputs, into: weightGradient + 3 &* ky &* inputs, targetStride: inputs, adding: true,
            count: inputs)
    }
}

/// Gᵀ on six values a channel.
@inline(__always)
private func winogradWeightGradientLine(
    _ u: UnsafePointer<Float>, stride: Int, into out: UnsafeMutablePointer<Float>, targetStride: Int, adding: Bool, count: Int
) {
    let (u1, u2, u3, u4, u5) = (u + stride, u + 2 &* stride, u + 3 &* stride, u + 4 &* stride, u + 5 &* stride)
    for c in 0..<count {
        let (inner, innerDifference) = ((u1[c] + u2[c]) * (-1 / 6), (u2[c] - u1[c]) * (1 / 6))
        let (outer, outerDifference) = (u3[c] + u4[c], u3[c] - u4[c])
        let g0 = relaxed_multiply_add(0.25, u[c], relaxed_multiply_add(1 / 24, outer, inner))
        let g1 = relaxed_multiply_add(1 / 12, outerDifference, innerDifference)
        let g2 = relaxed_multiply_add(1 / 6, outer, inner) + u5[c]
        if adding {
            out[c] += g0
            out[c &+ targetStride] += g1
            out[c &+ 2 &* targetStride] += g2
        } else {
            out[c] = g0
            out[c &+ targetStride] = g1
            out[c &+ 2 &* targetStride] = g2
        }
    }
}

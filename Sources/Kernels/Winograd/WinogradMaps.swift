// Transforms of Winograd's F(4×4, 3×3): a 4×4 tile of outputs from a 6×6 tile of inputs with 36 multiplications where the definition takes 144
// (Lavin & Gray, 2016; interpolation points 0, ±1, ±2, ∞). Channels are contiguous, every loop runs over them.
internal import CFloat

/// Channels that are transformed together: the temporary 6×6 tile of them stays in the first-level cache.
let winogradChannels = 64

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

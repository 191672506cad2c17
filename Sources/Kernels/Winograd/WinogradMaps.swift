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
    var start = 0
    while start < channels {
        let count = channels &- start < winogradChannels ? channels &- start : winogradChannels
        var target = out + start
        // Column x of a tile stands in slot (first + x) mod 6: a tile's last two columns are the next tile's first two.
        var first = 0
        for tile in tiles {
            let top = 4 &* (tile / tilesAcross) &- padding
            let left = 4 &* (tile % tilesAcross) &- padding
            let shared = tile > tiles.lowerBound && tile % tilesAcross > 0 ? 2 : 0
            if shared > 0 { first = first == 0 ? 4 : first &- 2 }
            @inline(__always) func slot(_ x: Int) -> UnsafeMutablePointer<Float> {
                scratch + (first &+ x < 6 ? first &+ x : first &+ x &- 6) &* winogradChannels
            }
            for x in shared..<6 {
                let column = left &+ x
                let inside = column >= 0 && column < width
                @inline(__always) func row(_ y: Int) -> UnsafePointer<Float> {
                    let line = top &+ y
                    return inside && line >= 0 && line < height ? map + ((line &* width &+ column) &* channels &+ start) : zeros
                }
                winograd_input_line(row(0), row(1), row(2), row(3), row(4), row(5), slot(x), 6 &* winogradChannels, count)
            }
            for y in 0..<6 {
                let line = 6 &* y &* winogradChannels
                winograd_input_line(
                    slot(0) + line, slot(1) + line, slot(2) + line, slot(3) + line, slot(4) + line, slot(5) + line,
                    target + 6 &* y &* planeStride, planeStride, count)
            }
            target += channels
        }
        start &+= count
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
                winograd_gradient_line(
                    row(0), row(1), row(2), row(3), scratch + x &* winogradChannels, 4 &* winogradChannels, count)
            }
            for y in 0..<6 {
                let line = scratch + 4 &* y &* winogradChannels
                winograd_gradient_line(
                    line, line + winogradChannels, line + 2 &* winogradChannels, line + 3 &* winogradChannels,
                    target + (6 &* y &* planeStride &+ start), planeStride, count)
            }
            start &+= count
        }
        target += channels
    }
}

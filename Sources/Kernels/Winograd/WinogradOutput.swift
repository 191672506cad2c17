// Winograd's F(4×4, 3×3): from the 36 products back to the map.
internal import CFloat

/// Products → output tiles: y = Aᵀ·M·A + bias + residual, written where it lies inside the image.
///
/// - Parameters:
///   - products: M of the first tile, rows of `channels` floats; planes `planeStride` floats apart.
///   - bias: `channels` floats, or nil.
///   - residual: added to the result, laid out as `map`; or nil.
///   - scratch: 28 · 64 floats.
///   - map: the first of the channels of one image [height, width, pixelStride], written.
///   - channels: how many of a pixel's `pixelStride` channels the products are for.
@inline(never)
package func winogradOutputTransform(
    _ products: UnsafePointer<Float>, planeStride: Int, bias: UnsafePointer<Float>?, residual: UnsafePointer<Float>?, tilesAcross: Int,
    tiles: Range<Int>, scratch: UnsafeMutablePointer<Float>, into map: UnsafeMutablePointer<Float>, height: Int, width: Int, channels: Int,
    pixelStride: Int
) {
    var source = products
    for tile in tiles {
        let top = 4 &* (tile / tilesAcross)
        let left = 4 &* (tile % tilesAcross)
        let valid = width &- left < 4 ? width &- left : 4
        var start = 0
        while start < channels {
            let count = channels &- start < winogradChannels ? channels &- start : winogradChannels
            for x in 0..<6 {
                winograd_output_line(
                    source + (x &* planeStride &+ start), 6 &* planeStride, scratch + x &* winogradChannels,
                    6 &* winogradChannels, count)
            }
            for y in 0..<4 where top &+ y < height {
                let line = scratch + 6 &* y &* winogradChannels
                let pixel = ((top &+ y) &* width &+ left) &* pixelStride &+ start
                if valid == 4, bias == nil, residual == nil {
                    winograd_output_line(line, winogradChannels, map + pixel, pixelStride, count)
                } else {
                    let values = scratch + 24 &* winogradChannels
                    winograd_output_line(line, winogradChannels, values, winogradChannels, count)
                    for x in 0..<valid {
                        winogradEpilogue(
                            values + x &* winogradChannels, bias: bias.map { $0 + start },
                            residual: residual.map { $0 + (pixel &+ x &* pixelStride) }, into: map + (pixel &+ x &* pixelStride),
                            count: count)
                    }
                }
            }
            start &+= count
        }
        source += channels
    }
}

/// out = value + bias + residual, each if there is one.
@inline(__always)
private func winogradEpilogue(
    _ value: UnsafePointer<Float>, bias: UnsafePointer<Float>?, residual: UnsafePointer<Float>?, into out: UnsafeMutablePointer<Float>,
    count: Int
) {
    switch (bias, residual) {
    case (nil, nil): for c in 0..<count { out[c] = value[c] }
    case (let bias?, nil): for c in 0..<count { out[c] = value[c] + bias[c] }
    case (nil, let residual?): for c in 0..<count { out[c] = value[c] + residual[c] }
    case (let bias?, let residual?): for c in 0..<count { out[c] = value[c] + bias[c] + residual[c] }
    }
}

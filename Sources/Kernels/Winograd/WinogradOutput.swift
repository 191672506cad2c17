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
                winogradOutputLine(
                    source + (x &* planeStride &+ start), stride: 6 &* planeStride, into: scratch + x &* winogradChannels,
                    targetStride: 6 &* winogradChannels, count: count)
            }
            for y in 0..<4 where top &+ y < height {
                let line = scratch + 6 &* y &* winogradChannels
                let pixel = ((top &+ y) &* width &+ left) &* pixelStride &+ start
                if valid == 4, bias == nil, residual == nil {
                    winogradOutputLine(line, stride: winogradChannels, into: map + pixel, targetStride: pixelStride, count: count)
                } else {
                    let values = scratch + 24 &* winogradChannels
                    winogradOutputLine(line, stride: winogradChannels, into: values, targetStride: winogradChannels, count: count)
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

/// Aᵀ on six values a channel.
@inline(__always)
private func winogradOutputLine(
    _ m: UnsafePointer<Float>, stride: Int, into out: UnsafeMutablePointer<Float>, targetStride: Int, count: Int
) {
    let (m1, m2, m3, m4, m5) = (m + stride, m + 2 &* stride, m + 3 &* stride, m + 4 &* stride, m + 5 &* stride)
    for c in 0..<count {
        let (sum, difference) = (m1[c] + m2[c], m1[c] - m2[c])
        let (outerSum, outerDifference) = (m3[c] + m4[c], m3[c] - m4[c])
        out[c] = m[c] + sum + outerSum
        out[c &+ targetStride] = relaxed_multiply_add(2, outerDifference, difference)
        out[c &+ 2 &* targetStride] = relaxed_multiply_add(4, outerSum, sum)
        out[c &+ 3 &* targetStride] = relaxed_multiply_add(8, outerDifference, difference) + m5[c]
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

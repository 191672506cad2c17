// Data movement of convolutions on channels-last maps, and the depthwise 3×3 convolution.
internal import CFloat

/// The geometry of a two-dimensional convolution on maps [height, width, channels].
package struct ConvolutionGeometry: Sendable, Equatable {
    package var height: Int
    package var width: Int
    package var channels: Int
    package var kernelHeight: Int
    package var kernelWidth: Int
    package var stride: Int
    package var padding: Int

    package init(height: Int, width: Int, channels: Int, kernelHeight: Int, kernelWidth: Int, stride: Int, padding: Int) {
        self.height = height
        self.width = width
        self.channels = channels
        self.kernelHeight = kernelHeight
        self.kernelWidth = kernelWidth
        self.stride = stride
        self.padding = padding
    }

    package var outputHeight: Int { (height + 2 * padding - kernelHeight) / stride + 1 }
    package var outputWidth: Int { (width + 2 * padding - kernelWidth) / stride + 1 }
    /// Lines of the output that a range of lines of the map, not an empty one, has a part in.
    package func outputLines(reaching lines: Range<Int>) -> Range<Int> {
        let first = max(0, (lines.lowerBound + padding - kernelHeight + stride) / stride)
        return first..<max(first, min(outputHeight, (lines.upperBound - 1 + padding) / stride + 1))
    }

    /// Floats in one column-matrix row: kernelHeight · kernelWidth · channels.
    package var patch: Int { kernelHeight * kernelWidth * channels }
}

/// Rows `pixels` of the column matrix: out[p, (ky, kx, c)] = map[y·stride − padding + ky, x·stride − padding + kx, c], zero outside.
@inline(never)
package func gatherPatches(
    _ map: UnsafePointer<Float>, _ g: ConvolutionGeometry, pixels: Range<Int>, into out: UnsafeMutablePointer<Float>
) {
    let outputWidth = g.outputWidth
    let channels = g.channels
    let span = g.kernelWidth &* channels
    var target = out
    for pixel in pixels {
        let top = (pixel / outputWidth) &* g.stride &- g.padding
        let left = (pixel % outputWidth) &* g.stride &- g.padding
        let inside = left >= 0 && left &+ g.kernelWidth <= g.width
        for ky in 0..<g.kernelHeight {
            let y = top &+ ky
            if y < 0 || y >= g.height {
                for i in 0..<span { target[i] = 0 }
            } else if inside {
                let source = map + (y &* g.width &+ left) &* channels
                for i in 0..<span { target[i] = source[i] }
            } else {
                for kx in 0..<g.kernelWidth {
                    let x = left &+ kx
                    let cell = target + kx &* channels
                    if x < 0 || x >= g.width {
                        for c in 0..<channels { cell[c] = 0 }
                    } else {
                        let source = map + (y &* g.width &+ x) &* channels
                        for c in 0..<channels { cell[c] = source[c] }
                    }
                }
            }
            target += span
        }
    }
}

/// The transpose of `gatherPatches`: adds the column rows `pixels` back onto the map, where they fall on its lines `lines`.
@inline(never)
package func scatterPatches(
    _ columns: UnsafePointer<Float>, _ g: ConvolutionGeometry, pixels: Range<Int>, lines: Range<Int>, into map: UnsafeMutablePointer<Float>
) {
    let outputWidth = g.outputWidth
    let channels = g.channels
    var source = columns
    for pixel in pixels {
        let top = (pixel / outputWidth) &* g.stride &- g.padding
        let left = (pixel % outputWidth) &* g.stride &- g.padding
        for ky in 0..<g.kernelHeight {
            let y = top &+ ky
            if lines.contains(y) {
                for kx in 0..<g.kernelWidth {
                    let x = left &+ kx
                    if x >= 0 && x < g.width {
                        let cell = map + (y &* g.width &+ x) &* channels
                        let patch = source + kx &* channels
                        for c in 0..<channels { cell[c] += patch[c] }
                    }
                }
            }
            source += g.kernelWidth &* channels
        }
    }
}

/// Depthwise 3×3, padding 1: out[y, x, c] = bias[c] + Σ_k weight[k, c] · map[y + ky − 1, x + kx − 1, c], rows `lines` of one image.
/// `flipped` turns the kernel by 180° (the data gradient); `bias` may be nil.
@inline(never)
package func depthwise3x3(
    _ map: UnsafePointer<Float>, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>?, flipped: Bool,
    height: Int, width: Int, channels: Int, lines: Range<Int>, into out: UnsafeMutablePointer<Float>
) {
    for y in lines {
        for x in 0..<width {
            let target = out + (y &* width &+ x) &* channels
            if let bias {
                for c in 0..<channels { target[c] = bias[c] }
            } else {
                for c in 0..<channels { target[c] = 0 }
            }
            for ky in 0..<3 {
                let sy = y &+ ky &- 1
                if sy < 0 || sy >= height { continue }
                for kx in 0..<3 {
                    let sx = x &+ kx &- 1
                    if sx < 0 || sx >= width { continue }
                    let source = map + (sy &* width &+ sx) &* channels
                    let tap = weight + (flipped ? 8 &- ky &* 3 &- kx : ky &* 3 &+ kx) &* channels
                    for c in 0..<channels { target[c] = relaxed_multiply_add(source[c], tap[c], target[c]) }
                }
            }
        }
    }
}

/// Adds one image's share to columns `range` of `weightGradient [9, channels]` of the depthwise convolution.
@inline(never)
package func depthwise3x3WeightGradient(
    _ map: UnsafePointer<Float>, gradient: UnsafePointer<Float>, height: Int, width: Int, channels: Int, range: Range<Int>,
    into weightGradient: UnsafeMutablePointer<Float>
) {
    let count = range.count
    for ky in 0..<3 {
        for kx in 0..<3 {
            let tap = weightGradient + ((ky &* 3 &+ kx) &* channels &+ range.lowerBound)
            for y in 0..<height {
                let sy = y &+ ky &- 1
                if sy < 0 || sy >= height { continue }
                for x in 0..<width {
                    let sx = x &+ kx &- 1
                    if sx < 0 || sx >= width { continue }
                    let source = map + ((sy &* width &+ sx) &* channels &+ range.lowerBound)
                    let dy = gradient + ((y &* width &+ x) &* channels &+ range.lowerBound)
                    for c in 0..<count { tap[c] = relaxed_multiply_add(source[c], dy[c], tap[c]) }
                }
            }
        }
    }
}

/// Depth to space by 2 in DCR order: out[2y + dy, 2x + dx, c] = map[y, x, (2dy + dx)·C + c]; `map [height, width, 4C]`.
/// `inverse` goes back.
@inline(never)
package func depthToSpace(
    _ source: UnsafePointer<Float>, height: Int, width: Int, channels: Int, inverse: Bool,
    into out: UnsafeMutablePointer<Float>
) {
    for y in 0..<height {
        for x in 0..<width {
            for dy in 0..<2 {
                for dx in 0..<2 {
                    let deep = ((y &* width &+ x) &* 4 &+ dy &* 2 &+ dx) &* channels
                    let wide = ((2 &* y &+ dy) &* 2 &* width &+ 2 &* x &+ dx) &* channels
                    if inverse {
                        for c in 0..<channels { out[deep &+ c] = source[wide &+ c] }
                    } else {
                        for c in 0..<channels { out[wide &+ c] = source[deep &+ c] }
                    }
                }
            }
        }
    }
}

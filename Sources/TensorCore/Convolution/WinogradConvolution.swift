import Kernels

/// 3×3 convolution, stride 1, by Winograd's F(4×4, 3×3) on BLAS products: a quarter of the multiplications of the definition. Float32 error against
/// float64 is a few 1e-6 of the result's size (docs/kernels.md).
///
/// Input tiles become V[36][tiles][inputs], weights U[36][inputs][outputs]; M = V·U, plane by plane, becomes output tiles. Which of these are
/// made in portions decides what goes through memory: blocks of tiles where there are many tiles (`+TileBlocks`), blocks of output channels where
/// U would be the largest (`+ChannelBlocks`). All cuts depend on the shapes and the kernel family alone.
struct WinogradConvolution {
    let height: Int
    let width: Int
    let inputs: Int
    let outputs: Int
    let padding: Int
    let batch: Int

    static let planes = 36

    /// - Parameter map: the shape of x, `[B, H, W, inputs]`.
    init(map: Shape, outputs: Int, padding: Int) {
        batch = map[0]
        height = map[1]
        width = map[2]
        inputs = map[3]
        self.outputs = outputs
        self.padding = padding
    }

    var outputHeight: Int { height + 2 * padding - 2 }
    var outputWidth: Int { width + 2 * padding - 2 }
    private var tilesAcross: Int { (outputWidth + 3) / 4 }
    private var tilesPerImage: Int { tilesAcross * ((outputHeight + 3) / 4) }
    var tiles: Int { batch * tilesPerImage }

    /// Whether it pays: wide enough channels for the products, and enough tiles for the transform of the weights.
    var isWorthwhile: Bool {
        inputs >= 16 && outputs >= 16 && tiles >= 16
    }

    /// Whether blocks of output channels are better than blocks of tiles: few tiles, or transformed weights that no cache holds.
    var prefersChannelBlocks: Bool {
        tiles <= 64 || WinogradConvolution.planes * inputs * outputs > 1 << 22
    }

    /// Weights of a convolution: as they are `[outputs, 3, 3, inputs]`, or, for the data gradient, `[inputs, 3, 3, outputs]`, turned by 180°.
    struct Weights {
        let tensor: Tensor
        let turned: Bool
    }

    /// y `[B, H', W', outputs]` of x, plus bias `[outputs]` and residual (shaped as y) if given.
    func forward(_ x: Tensor, weight: Weights, bias: Tensor?, residual: Tensor?, pool: ThreadPool) -> Tensor {
        let out = Tensor(uninitialised: [batch, outputHeight, outputWidth, outputs])
        if prefersChannelBlocks {
            forwardByChannels(x, weight: weight, bias: bias, residual: residual, into: out, pool: pool)
        } else {
            forwardByTiles(x, weight: weight, bias: bias, residual: residual, into: out, pool: pool)
        }
        return out
    }

    /// V of some tiles; planes `planeStride` floats apart.
    func transformInput(
        _ x: Tensor, tiles: Range<Int>, zeros: Tensor, into target: UnsafeMutablePointer<Float>, planeStride: Int
    ) {
        Storage.withScratch(WinogradConvolution.planes * 64) { scratch in
            forEachImage(tiles) { image, range, offset in
                winogradInputTransform(
                    x.pointer + image * height * width * inputs, height: height, width: width, channels: inputs, padding: padding,
                    tilesAcross: tilesAcross, tiles: range, zeros: zeros.pointer, scratch: scratch, into: target + offset * inputs,
                    planeStride: planeStride)
            }
        }
    }

    /// dM of some tiles; planes `planeStride` floats apart.
    func transformGradient(
        _ dy: Tensor, tiles: Range<Int>, zeros: Tensor, into target: UnsafeMutablePointer<Float>, planeStride: Int
    ) {
        Storage.withScratch(24 * 64) { scratch in
            forEachImage(tiles) { image, range, offset in
                winogradGradientTransform(
                    dy.pointer + image * outputHeight * outputWidth * outputs, height: outputHeight, width: outputWidth,
                    channels: outputs, tilesAcross: tilesAcross, tiles: range, zeros: zeros.pointer, scratch: scratch,
                    into: target + offset * outputs, planeStride: planeStride)
            }
        }
    }

    /// Some tiles of some channels of y from their products, rows of `channels.count` floats in planes `planeStride` floats apart.
    func transformOutput(
        _ products: UnsafePointer<Float>, tiles: Range<Int>, channels: Range<Int>, planeStride: Int, bias: Tensor?, residual: Tensor?,
        into out: Tensor
    ) {
        let image = outputHeight * outputWidth * outputs
        Storage.withScratch(28 * 64) { scratch in
            forEachImage(tiles) { number, range, offset in
                winogradOutputTransform(
                    products + offset * channels.count, planeStride: planeStride, bias: bias.map { UnsafePointer($0.pointer + channels.lowerBound) },
                    residual: residual.map { UnsafePointer($0.pointer + number * image + channels.lowerBound) }, tilesAcross: tilesAcross,
                    tiles: range, scratch: scratch, into: out.pointer + number * image + channels.lowerBound, height: outputHeight,
                    width: outputWidth, channels: channels.count, pixelStride: outputs)
            }
        }
    }

    /// The weights of some output channels and some inputs as nine planes [inputs, channels], `planeStride` floats apart.
    func gatherTaps(_ weight: Weights, inputs rows: Range<Int>, channels: Range<Int>, into taps: UnsafeMutablePointer<Float>, planeStride: Int) {
        if weight.turned {
            winogradTaps(
                weight.tensor.pointer + rows.lowerBound * 9 * outputs + channels.lowerBound, rowStride: 9 * outputs, turned: true,
                rows: rows.count, columns: channels.count, into: taps, planeStride: planeStride)
        } else {
            winogradTransposedTaps(
                weight.tensor.pointer + channels.lowerBound * 9 * inputs + rows.lowerBound, columnStride: 9 * inputs, rows: rows.count,
                columns: channels.count, into: taps, planeStride: planeStride, outStride: channels.count)
        }
    }

    /// `0 ..< count` in ranges of at most `size`.
    static func ranges(_ count: Int, of size: Int) -> [Range<Int>] {
        stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
    }

    /// A range in at most `count` pieces of nearly equal size.
    static func pieces(_ range: Range<Int>, of count: Int) -> [Range<Int>] {
        let parts = min(count, range.count)
        return (0..<parts).map { (range.lowerBound + range.count * $0 / parts)..<(range.lowerBound + range.count * ($0 + 1) / parts) }
    }

    /// Calls `body(image, tiles of that image, offset of the first from the range's start)` for every image that tiles of the range lie in.
    private func forEachImage(_ range: Range<Int>, _ body: (Int, Range<Int>, Int) -> Void) {
        var start = range.lowerBound
        while start < range.upperBound {
            let image = start / tilesPerImage
            let end = min(range.upperBound, (image + 1) * tilesPerImage)
            body(image, (start - image * tilesPerImage)..<(end - image * tilesPerImage), start - range.lowerBound)
            start = end
        }
    }
}

import Kernels

/// 3×3 convolution, stride 1, by Winograd's F(4×4, 3×3) on BLAS products: a quarter of the multiplications of the definition. Float32 error against
/// float64 is a few 1e-6 of the result's size (docs/kernels.md).
///
/// Work is cut into blocks of output tiles that depend on the shapes alone. With many blocks a block is one task; with few, the 36 products
/// of a block are the tasks.
struct WinogradConvolution {
    let height: Int
    let width: Int
    let inputs: Int
    let outputs: Int
    let padding: Int
    let batch: Int

    static let planes = 36
    /// Output tiles a block.
    private static let blockTiles = 64

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
    private var tiles: Int { batch * tilesPerImage }

    /// Whether it pays: wide enough channels for the products, and enough tiles for the transform of the weights.
    var isWorthwhile: Bool {
        inputs >= 16 && outputs >= 16 && tiles >= 16
    }

    /// y of x with weight `[outputs, 3, 3, inputs]`; with `turned`, weight is `[inputs, 3, 3, outputs]` and used as the data gradient needs it.
    func forward(_ x: Tensor, weight: Tensor, turned: Bool = false, bias: Tensor?, pool: ThreadPool) -> Tensor {
        let out = Tensor(uninitialised: [batch, outputHeight, outputWidth, outputs])
        let u = transformed(weight, turned: turned, pool: pool)
        let zeros = Tensor(zeros: [min(inputs, 64)])
        let blocks = (tiles + WinogradConvolution.blockTiles - 1) / WinogradConvolution.blockTiles
        let largest = min(tiles, WinogradConvolution.blockTiles)
        let byPlane = blocks < 8
        let v = { (block: Range<Int>, piece: Range<Int>, target: UnsafeMutablePointer<Float>) in
            Storage.withScratch(WinogradConvolution.planes * 64) { scratch in
                forEachImage(piece) { image, range, offset in
                    winogradInputTransform(
                        x.pointer + image * height * width * inputs, height: height, width: width, channels: inputs, padding: padding,
                        tilesAcross: tilesAcross, tiles: range, zeros: zeros.pointer, scratch: scratch,
                        into: target + (piece.lowerBound - block.lowerBound + offset) * inputs, planeStride: block.count * inputs)
                }
            }
        }
        let y = { (block: Range<Int>, piece: Range<Int>, products: UnsafeMutablePointer<Float>) in
            Storage.withScratch(24 * 64) { scratch in
                forEachImage(piece) { image, range, offset in
                    winogradOutputTransform(
                        products + (piece.lowerBound - block.lowerBound + offset) * outputs, planeStride: block.count * outputs,
                        bias: bias.map { UnsafePointer($0.pointer) }, tilesAcross: tilesAcross, tiles: range, scratch: scratch,
                        into: out.pointer + image * outputHeight * outputWidth * outputs, height: outputHeight, width: outputWidth,
                        channels: outputs)
                }
            }
        }
        let product = { (block: Range<Int>, plane: Int, source: UnsafeMutablePointer<Float>, target: UnsafeMutablePointer<Float>) in
            multiply(
                MatrixOperand(source + plane * block.count * inputs, stride: inputs),
                turned
                    ? MatrixOperand(u.pointer + plane * inputs * outputs, stride: outputs)
                    : MatrixOperand(u.pointer + plane * inputs * outputs, stride: inputs, transposed: true),
                into: target + plane * block.count * outputs, stride: outputs, rows: block.count, columns: outputs, depth: inputs)
        }
        if byPlane {
            for block in self.blocks(WinogradConvolution.blockTiles * 8) {
                Storage.withScratch(WinogradConvolution.planes * block.count * (inputs + outputs)) { scratch in
                    let products = scratch + WinogradConvolution.planes * block.count * inputs
                    let pieces = WinogradConvolution.pieces(block, of: 8)
                    pool.parallel(pieces.count) { v(block, pieces[$0], scratch) }
                    pool.parallel(WinogradConvolution.planes) { product(block, $0, scratch, products) }
                    pool.parallel(pieces.count) { y(block, pieces[$0], products) }
                }
            }
        } else {
            let all = self.blocks(WinogradConvolution.blockTiles)
            pool.parallel(all.count) { index in
                let block = all[index]
                Storage.withScratch(WinogradConvolution.planes * largest * (inputs + outputs)) { scratch in
                    let products = scratch + WinogradConvolution.planes * block.count * inputs
                    v(block, block, scratch)
                    for plane in 0..<WinogradConvolution.planes { product(block, plane, scratch, products) }
                    y(block, block, products)
                }
            }
        }
        return out
    }

    /// dW (+)= from dy `[B, H', W', outputs]` and x, into `sink [outputs, 3, 3, inputs]`: dU[k] = Σ over blocks, in order, of dM[k]ᵀ·V[k], then
    /// Gᵀ·dU·G.
    func weightGradient(_ dy: Tensor, input x: Tensor, into sink: Tensor, beta: Float, pool: ThreadPool) {
        let planes = WinogradConvolution.planes
        let zeros = Tensor(zeros: [64])
        let du = Tensor(uninitialised: [planes, outputs, inputs])
        for (number, block) in blocks(256).enumerated() {
            Storage.withScratch(planes * block.count * (inputs + outputs)) { v in
                let dm = v + planes * block.count * inputs
                let pieces = WinogradConvolution.pieces(block, of: 16)
                pool.parallel(pieces.count) { index in
                    let piece = pieces[index]
                    Storage.withScratch(planes * 64) { scratch in
                        forEachImage(piece) { image, range, offset in
                            let position = piece.lowerBound - block.lowerBound + offset
                            winogradInputTransform(
                                x.pointer + image * height * width * inputs, height: height, width: width, channels: inputs,
                                padding: padding, tilesAcross: tilesAcross, tiles: range, zeros: zeros.pointer, scratch: scratch,
                                into: v + position * inputs, planeStride: block.count * inputs)
                            winogradGradientTransform(
                                dy.pointer + image * outputHeight * outputWidth * outputs, height: outputHeight, width: outputWidth,
                                channels: outputs, tilesAcross: tilesAcross, tiles: range, zeros: zeros.pointer, scratch: scratch,
                                into: dm + position * outputs, planeStride: block.count * outputs)
                        }
                    }
                }
                pool.parallel(planes) { plane in
                    multiply(
                        MatrixOperand(dm + plane * block.count * outputs, stride: outputs, transposed: true),
                        MatrixOperand(v + plane * block.count * inputs, stride: inputs),
                        into: du.pointer + plane * outputs * inputs, stride: inputs, rows: outputs, columns: inputs, depth: block.count,
                        beta: number == 0 ? 0 : 1)
                }
            }
        }
        if beta == 0 { sink.fillInPlace(0) }
        pool.parallel(outputs) { output in
            Storage.withScratch(18 * inputs) { scratch in
                winogradWeightGradientTransform(
                    du.pointer + output * inputs, planeStride: outputs * inputs, inputs: inputs, scratch: scratch,
                    into: sink.pointer + output * 9 * inputs)
            }
        }
    }

    /// U[36], every plane in the order of the weight: [outputs, inputs], or, turned, [inputs, outputs].
    private func transformed(_ weight: Tensor, turned: Bool, pool: ThreadPool) -> Tensor {
        let (rows, columns) = turned ? (inputs, outputs) : (outputs, inputs)
        let u = Tensor(uninitialised: [WinogradConvolution.planes, rows, columns])
        pool.parallel(rows) { row in
            Storage.withScratch(18 * columns) { scratch in
                winogradWeightTransform(
                    weight.pointer + row * 9 * columns, inputs: columns, turned: turned, scratch: scratch,
                    into: u.pointer + row * columns, planeStride: rows * columns)
            }
        }
        return u
    }

    /// All tiles in ranges of at most `size`.
    private func blocks(_ size: Int) -> [Range<Int>] {
        stride(from: 0, to: tiles, by: size).map { $0..<min($0 + size, tiles) }
    }

    /// A block in at most `count` pieces of nearly equal size.
    private static func pieces(_ block: Range<Int>, of count: Int) -> [Range<Int>] {
        let parts = min(count, block.count)
        return (0..<parts).map { (block.lowerBound + block.count * $0 / parts)..<(block.lowerBound + block.count * ($0 + 1) / parts) }
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

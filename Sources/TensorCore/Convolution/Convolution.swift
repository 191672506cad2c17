import Kernels

/// Two-dimensional convolution on channels-last maps by implicit im2col: tiles of output pixels are gathered into a small column matrix
/// that one BLAS call multiplies, so the whole column matrix never exists.
package struct Convolution: Sendable {
    package let stride: Int
    package let padding: Int

    package init(stride: Int, padding: Int) {
        self.stride = stride
        self.padding = padding
    }

    private func geometry(_ map: Shape, _ weight: Shape) -> ConvolutionGeometry {
        precondition(map.rank == 4 && weight.rank == 4 && map[3] == weight[3], "convolution of map \(map) with weight \(weight)")
        return ConvolutionGeometry(
            height: map[1], width: map[2], channels: map[3], kernelHeight: weight[1], kernelWidth: weight[2],
            stride: stride, padding: padding)
    }

    /// Output pixels a tile: about 512 KiB of columns, within 64…1024.
    private static func tilePixels(_ g: ConvolutionGeometry) -> Int {
        max(64, min(1024, 131_072 / g.patch / 64 * 64))
    }

    /// Whether the column matrix would be the map itself.
    private static func isPointwise(_ g: ConvolutionGeometry) -> Bool {
        g.kernelHeight == 1 && g.kernelWidth == 1 && g.stride == 1 && g.padding == 0
    }

    /// The 3×3 stride-1 convolution of a map by Winograd's algorithm, where that is faster.
    private func winograd(_ g: ConvolutionGeometry, map: Shape, outputs: Int, padding: Int) -> WinogradConvolution? {
        guard stride == 1, g.kernelHeight == 3, g.kernelWidth == 3, (0...2).contains(padding) else { return nil }
        let winograd = WinogradConvolution(map: map, outputs: outputs, padding: padding)
        return winograd.isWorthwhile ? winograd : nil
    }

    /// y `[B, H', W', outputs]` of x `[B, H, W, C]` with weight `[outputs, kh, kw, C]` and bias `[outputs]`, plus a residual of y's shape: both
    /// are added where a tile is written.
    package func forward(_ x: Tensor, weight: Tensor, bias: Tensor?, residual: Tensor? = nil, pool: ThreadPool) -> Tensor {
        let g = geometry(x.shape, weight.shape)
        let outputs = weight.shape[0]
        precondition(
            residual.map { $0.count == x.shape[0] * g.outputHeight * g.outputWidth * outputs } ?? true,
            "residual \(residual?.shape ?? []) for a convolution of \(x.shape) with \(weight.shape)")
        if residual == nil, Convolution.isPointwise(g) {
            return x.linear(weight: weight.reshaped([outputs, g.channels]), bias: bias, pool: pool)
        }
        if let winograd = winograd(g, map: x.shape, outputs: outputs, padding: padding) {
            return winograd.forward(x, weight: .init(tensor: weight, turned: false), bias: bias, residual: residual, pool: pool)
        }
        let pixels = g.outputHeight * g.outputWidth
        let out = Tensor(uninitialised: [x.shape[0], g.outputHeight, g.outputWidth, outputs])
        let tile = Convolution.tilePixels(g)
        let tiles = (pixels + tile - 1) / tile
        pool.parallel(x.shape[0] * tiles) { index in
            let image = index / tiles
            let range = (index % tiles * tile)..<min(pixels, index % tiles * tile + tile)
            let target = out.pointer + (image * pixels + range.lowerBound) * outputs
            Storage.withScratch(range.count * g.patch) { columns in
                gatherPatches(x.pointer + image * g.height * g.width * g.channels, g, pixels: range, into: columns)
                if let residual {
                    let source = residual.pointer + (image * pixels + range.lowerBound) * outputs
                    target.update(from: source, count: range.count * outputs)
                    if let bias { addRow(bias.pointer, to: target, stride: outputs, rows: range.count, columns: outputs) }
                } else if let bias {
                    fillRows(bias.pointer, into: target, rows: range.count, columns: outputs)
                }
                multiply(
                    MatrixOperand(columns, stride: g.patch), MatrixOperand(weight.pointer, stride: g.patch, transposed: true),
                    into: target, stride: outputs, rows: range.count, columns: outputs, depth: g.patch,
                    beta: bias == nil && residual == nil ? 0 : 1)
            }
        }
        return out
    }

    /// dx of `forward` from dy `[B, H', W', outputs]`; `shape` is that of x.
    package func inputGradient(_ dy: Tensor, weight: Tensor, shape: Shape, pool: ThreadPool) -> Tensor {
        let g = geometry(shape, weight.shape)
        let outputs = weight.shape[0]
        if Convolution.isPointwise(g) {
            return dy.linearInputGradient(weight: weight.reshaped([outputs, g.channels]), pool: pool).reshaped(shape)
        }
        if let winograd = winograd(g, map: dy.shape, outputs: g.channels, padding: 2 - padding) {
            return winograd.forward(dy, weight: .init(tensor: weight, turned: true), bias: nil, residual: nil, pool: pool)
        }
        if stride == 1, g.kernelHeight == g.kernelWidth, padding < g.kernelHeight {
            // A convolution of dy with the kernel turned by 180° and its channel axes exchanged.
            let turned = Convolution.turned(weight)
            return Convolution(stride: 1, padding: g.kernelHeight - 1 - padding).forward(dy, weight: turned, bias: nil, pool: pool)
        }
        let pixels = g.outputHeight * g.outputWidth
        let dx = Tensor(zeros: shape)
        let tile = Convolution.tilePixels(g)
        // Where images are fewer than threads, their lines are cut too. Every band takes what falls on it from all tiles that reach it, in order; the
        // cut moves no bit.
        let bands = Partition(g.height, parts: (pool.threads + shape[0] - 1) / max(shape[0], 1))
        pool.parallel(shape[0] * bands.parts) { unit in
            let image = unit / bands.parts
            let lines = bands[unit % bands.parts]
            guard !lines.isEmpty else { return }
            let reached = g.outputLines(reaching: lines)
            for start in Swift.stride(from: reached.lowerBound * g.outputWidth / tile * tile, to: reached.upperBound * g.outputWidth, by: tile) {
                let range = start..<min(pixels, start + tile)
                Storage.withScratch(range.count * g.patch) { columns in
                    multiply(
                        MatrixOperand(dy.pointer + (image * pixels + start) * outputs, stride: outputs),
                        MatrixOperand(weight.pointer, stride: g.patch),
                        into: columns, stride: g.patch, rows: range.count, columns: g.patch, depth: outputs)
                    scatterPatches(
                        columns, g, pixels: range, lines: lines, into: dx.pointer + image * g.height * g.width * g.channels)
                }
            }
        }
        return dx
    }

    /// dW (+)= of `forward` into `sink [outputs, kh, kw, C]`. Tiles are summed within at most 8 parts, the parts in order: the partition
    /// depends on the shapes alone.
    package func weightGradient(_ dy: Tensor, input x: Tensor, into sink: Tensor, beta: Float, pool: ThreadPool) {
        let g = geometry(x.shape, sink.shape)
        let outputs = sink.shape[0]
        if Convolution.isPointwise(g) {
            dy.linearWeightGradient(input: x, into: sink.reshaped([outputs, g.channels]), beta: beta, pool: pool)
            return
        }
        if let winograd = winograd(g, map: x.shape, outputs: outputs, padding: padding) {
            winograd.weightGradient(dy, input: x, into: sink, beta: beta, pool: pool)
            return
        }
        let pixels = g.outputHeight * g.outputWidth
        let tile = Convolution.tilePixels(g)
        let tilesPerImage = (pixels + tile - 1) / tile
        let tiles = x.shape[0] * tilesPerImage
        let parts = min(8, tiles)
        let size = sink.count
        if beta == 0 { sink.fillInPlace(0) }
        guard parts > 0 else { return }
        Storage.withScratch(parts * size) { partial in
            pool.parallel(parts) { part in
                let mine = (tiles * part / parts)..<(tiles * (part + 1) / parts)
                for index in mine {
                    let image = index / tilesPerImage
                    let start = index % tilesPerImage * tile
                    let range = start..<min(pixels, start + tile)
                    Storage.withScratch(range.count * g.patch) { columns in
                        gatherPatches(x.pointer + image * g.height * g.width * g.channels, g, pixels: range, into: columns)
                        multiply(
                            MatrixOperand(dy.pointer + (image * pixels + start) * outputs, stride: outputs, transposed: true),
                            MatrixOperand(columns, stride: g.patch), into: partial + part * size, stride: g.patch,
                            rows: outputs, columns: g.patch, depth: range.count, beta: index == mine.lowerBound ? 0 : 1)
                    }
                }
            }
            for part in 0..<parts { accumulate(partial + part * size, into: sink.pointer, count: size) }
        }
    }

    /// weight `[outputs, kh, kw, C]` → `[C, kh, kw, outputs]` with the kernel turned by 180°.
    private static func turned(_ weight: Tensor) -> Tensor {
        let (outputs, height, width, channels) = (weight.shape[0], weight.shape[1], weight.shape[2], weight.shape[3])
        let out = Tensor(uninitialised: [channels, height, width, outputs])
        let source = weight.pointer
        let target = out.pointer
        for o in 0..<outputs {
            for k in 0..<(height * width) {
                let from = source + (o * height * width + k) * channels
                let to = target + (height * width - 1 - k) * outputs + o
                for c in 0..<channels { to[c * height * width * outputs] = from[c] }
            }
        }
        return out
    }
}

extension Tensor {
    /// Depthwise 3×3 convolution, padding 1, of a map `[B, H, W, C]` with weight `[3, 3, C]` and bias `[C]`.
    package func depthwise(weight: Tensor, bias: Tensor?, flipped: Bool = false, pool: ThreadPool) -> Tensor {
        precondition(shape.rank == 4 && weight.count == 9 * shape[3], "depthwise convolution of \(shape) with \(weight.shape)")
        let out = Tensor(uninitialised: shape)
        let image = shape[1] * shape[2] * shape[3]
        let lines = 4
        let blocks = (shape[1] + lines - 1) / lines
        pool.parallel(shape[0] * blocks) { unit in
            let index = unit / blocks
            let first = unit % blocks * lines
            depthwise3x3(
                pointer + index * image, weight: weight.pointer, bias: bias?.pointer, flipped: flipped, height: shape[1], width: shape[2],
                channels: shape[3], lines: first..<min(shape[1], first + lines), into: out.pointer + index * image)
        }
        return out
    }

    /// dW (+)= of `depthwise`; self is dy. Every block of channels is summed over images and pixels in order.
    package func depthwiseWeightGradient(input: Tensor, into sink: Tensor, beta: Float, pool: ThreadPool) {
        let image = shape[1] * shape[2] * shape[3]
        let channels = shape[3]
        let block = 64
        if beta == 0 { sink.fillInPlace(0) }
        pool.parallel((channels + block - 1) / block) { index in
            for number in 0..<shape[0] {
                depthwise3x3WeightGradient(
                    input.pointer + number * image, gradient: pointer + number * image, height: shape[1], width: shape[2],
                    channels: channels, range: (index * block)..<min(channels, (index + 1) * block), into: sink.pointer)
            }
        }
    }

    /// `[B, H, W, 4C]` → `[B, 2H, 2W, C]` in DCR order (spec 4.2); `inverse` goes back.
    package func depthToSpace(inverse: Bool = false, pool: ThreadPool) -> Tensor {
        let (height, width) = inverse ? (shape[1] / 2, shape[2] / 2) : (shape[1], shape[2])
        let channels = inverse ? shape[3] : shape[3] / 4
        precondition(inverse ? shape[1] % 2 == 0 && shape[2] % 2 == 0 : shape[3] % 4 == 0, "depth to space of \(shape)")
        let out = Tensor(uninitialised: inverse ? [shape[0], height, width, 4 * channels] : [shape[0], 2 * height, 2 * width, channels])
        // A line of the deep map is two lines of the wide one, contiguous in both.
        let line = width * 4 * channels
        pool.parallel(shape[0] * height) { index in
            Kernels.depthToSpace(
                pointer + index * line, height: 1, width: width, channels: channels, inverse: inverse, into: out.pointer + index * line)
        }
        return out
    }
}

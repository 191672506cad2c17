import Kernels

extension WinogradConvolution {
    /// dW (+)= from dy `[B, H', W', outputs]` and x, into `sink [outputs, 3, 3, inputs]`: dU = Σ over tiles of dMᵀ·V, plane by plane, then Gᵀ·dU·G.
    func weightGradient(_ dy: Tensor, input x: Tensor, into sink: Tensor, beta: Float, pool: ThreadPool) {
        if beta == 0 { sink.fillInPlace(0) }
        if tiles <= 64 {
            weightGradientByChannels(dy, input: x, into: sink, pool: pool)
        } else {
            weightGradientByTiles(dy, input: x, into: sink, pool: pool)
        }
    }

    /// Few tiles: a block of output channels is one task from the products to the weight gradient.
    private func weightGradientByChannels(_ dy: Tensor, input x: Tensor, into sink: Tensor, pool: ThreadPool) {
        let planes = WinogradConvolution.planes
        let blocks = WinogradConvolution.ranges(outputs, of: 32)
        let largest = blocks.first?.count ?? 0
        Storage.withScratch(planes * tiles * (inputs + outputs)) { v in
            let dm = v + planes * tiles * inputs
            transformMaps(dy, x, tiles: 0..<tiles, v: v, dm: dm, pool: pool)
            pool.parallel(blocks.count) { index in
                let channels = blocks[index]
                Storage.withScratch(planes * largest * inputs + 18 * inputs) { du in
                    for plane in 0..<planes {
                        multiplyInPieces(
                            MatrixOperand(dm + plane * tiles * outputs + channels.lowerBound, stride: outputs, transposed: true),
                            MatrixOperand(v + plane * tiles * inputs, stride: inputs), into: du + plane * channels.count * inputs,
                            stride: inputs, rows: channels.count, columns: inputs, depth: tiles)
                    }
                    for channel in channels {
                        winogradWeightGradientTransform(
                            du + (channel - channels.lowerBound) * inputs, planeStride: channels.count * inputs, inputs: inputs,
                            scratch: du + planes * largest * inputs, into: sink.pointer + channel * 9 * inputs)
                    }
                }
            }
        }
    }

    /// Many tiles: blocks of them are summed in order; within a block the planes are the tasks.
    private func weightGradientByTiles(_ dy: Tensor, input x: Tensor, into sink: Tensor, pool: ThreadPool) {
        let planes = WinogradConvolution.planes
        let du = Tensor(uninitialised: [planes, outputs, inputs])
        for (number, block) in WinogradConvolution.ranges(tiles, of: 128).enumerated() {
            Storage.withScratch(planes * block.count * (inputs + outputs)) { v in
                let dm = v + planes * block.count * inputs
                transformMaps(dy, x, tiles: block, v: v, dm: dm, pool: pool)
                pool.parallel(planes) { plane in
                    multiplyInPieces(
                        MatrixOperand(dm + plane * block.count * outputs, stride: outputs, transposed: true),
                        MatrixOperand(v + plane * block.count * inputs, stride: inputs),
                        into: du.pointer + plane * outputs * inputs, stride: inputs, rows: outputs, columns: inputs, depth: block.count,
                        beta: number == 0 ? 0 : 1)
                }
            }
        }
        pool.parallel(outputs) { output in
            Storage.withScratch(18 * inputs) { scratch in
                winogradWeightGradientTransform(
                    du.pointer + output * inputs, planeStride: outputs * inputs, inputs: inputs, scratch: scratch,
                    into: sink.pointer + output * 9 * inputs)
            }
        }
    }

    /// V and dM of some tiles, in pieces for the threads.
    private func transformMaps(
        _ dy: Tensor, _ x: Tensor, tiles range: Range<Int>, v: UnsafeMutablePointer<Float>, dm: UnsafeMutablePointer<Float>, pool: ThreadPool
    ) {
        let zeros = Tensor(zeros: [64])
        let pieces = WinogradConvolution.pieces(range, of: 16)
        pool.parallel(pieces.count) { index in
            let position = pieces[index].lowerBound - range.lowerBound
            transformInput(x, tiles: pieces[index], zeros: zeros, into: v + position * inputs, planeStride: range.count * inputs)
            transformGradient(dy, tiles: pieces[index], zeros: zeros, into: dm + position * outputs, planeStride: range.count * outputs)
        }
    }
}

import Kernels

extension WinogradConvolution {
    /// Output channels a block; at least eight blocks if there are channels for it, for the threads.
    private var blockChannels: Int { outputs >= 512 ? 64 : 32 }

    /// All of V first; then a block of output channels is one task, which transforms its weights six planes at a time, multiplies them while
    /// they are in the cache, and writes its channels of the output map. Transformed weights never see main memory.
    func forwardByChannels(_ x: Tensor, weight: Weights, bias: Tensor?, residual: Tensor?, into out: Tensor, pool: ThreadPool) {
        let v = Tensor(uninitialised: [WinogradConvolution.planes, tiles, inputs])
        transformInput(x, into: v, pool: pool)
        let blocks = WinogradConvolution.ranges(outputs, of: blockChannels)
        let largest = blocks.first?.count ?? 0
        // Input channels go in portions, so that nine planes of weights and six of their transforms stay in the cache.
        let portions = WinogradConvolution.ranges(inputs, of: 512)
        let (tapCount, productCount) = ((portions.first?.count ?? 0) * largest, tiles * largest)
        pool.parallel(blocks.count) { index in
            let channels = blocks[index]
            Storage.withScratch(15 * tapCount + WinogradConvolution.planes * productCount + 3 * 512) { taps in
                let u = taps + 9 * tapCount
                let m = u + 6 * tapCount
                for portion in portions {
                    let count = portion.count * channels.count
                    gatherTaps(weight, inputs: portion, channels: channels, into: taps, planeStride: count)
                    for y in 0..<6 {
                        winogradWeightTransform(
                            taps, tapStride: count, y: y, count: count, scratch: m + WinogradConvolution.planes * productCount, into: u,
                            planeStride: count)
                        for plane in (6 * y)..<(6 * y + 6) {
                            multiplyInPieces(
                                MatrixOperand(v.pointer + plane * tiles * inputs + portion.lowerBound, stride: inputs),
                                MatrixOperand(u + (plane - 6 * y) * count, stride: channels.count),
                                into: m + plane * tiles * channels.count, stride: channels.count, rows: tiles,
                                columns: channels.count, depth: portion.count, beta: portion.lowerBound == 0 ? 0 : 1)
                        }
                    }
                }
                transformOutput(
                    m, tiles: 0..<tiles, channels: channels, planeStride: tiles * channels.count, bias: bias, residual: residual, into: out)
            }
        }
    }

    /// All of V.
    func transformInput(_ x: Tensor, into v: Tensor, pool: ThreadPool) {
        let zeros = Tensor(zeros: [64])
        let pieces = WinogradConvolution.pieces(0..<tiles, of: 16)
        pool.parallel(pieces.count) { index in
            transformInput(x, tiles: pieces[index], zeros: zeros, into: v.pointer + pieces[index].lowerBound * inputs, planeStride: tiles * inputs)
        }
    }
}

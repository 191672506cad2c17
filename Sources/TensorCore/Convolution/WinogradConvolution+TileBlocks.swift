import Kernels

extension WinogradConvolution {
    /// Tiles a block: V and M of a block stay in the second-level cache for 64 channels, and products need no packing where the BLAS library has
    /// kernels for that.
    private var blockTiles: Int {
        guard let limit = smallProductLimit else { return 64 }
        return max(16, min(64, limit / (64 * inputs) / 4 * 4))
    }

    /// Weights are transformed first; then a block of tiles is one task from the input map to the output map.
    func forwardByTiles(_ x: Tensor, weight: Weights, bias: Tensor?, residual: Tensor?, into out: Tensor, pool: ThreadPool) {
        let planes = WinogradConvolution.planes
        let u = transformedWeights(weight, pool: pool)
        let zeros = Tensor(zeros: [64])
        let blocks = WinogradConvolution.ranges(tiles, of: blockTiles)
        let largest = blocks.first?.count ?? 0
        pool.parallel(blocks.count) { index in
            let block = blocks[index]
            Storage.withScratch(planes * largest * (inputs + outputs)) { v in
                let m = v + planes * largest * inputs
                transformInput(x, tiles: block, zeros: zeros, into: v, planeStride: block.count * inputs)
                for plane in 0..<planes {
                    multiplyInPieces(
                        MatrixOperand(v + plane * block.count * inputs, stride: inputs),
                        MatrixOperand(u.pointer + plane * inputs * outputs, stride: outputs), into: m + plane * block.count * outputs,
                        stride: outputs, rows: block.count, columns: outputs, depth: inputs)
                }
                transformOutput(
                    m, tiles: block, channels: 0..<outputs, planeStride: block.count * outputs, bias: bias, residual: residual, into: out)
            }
        }
    }

    /// U `[36, inputs, outputs]`.
    private func transformedWeights(_ weight: Weights, pool: ThreadPool) -> Tensor {
        let size = inputs * outputs
        let u = Tensor(uninitialised: [WinogradConvolution.planes, inputs, outputs])
        let parts = WinogradConvolution.ranges(inputs, of: max(8, 16_384 / outputs))
        pool.parallel(parts.count) { index in
            let rows = parts[index]
            let count = rows.count * outputs
            Storage.withScratch(9 * count + 3 * 512) { taps in
                gatherTaps(weight, inputs: rows, channels: 0..<outputs, into: taps, planeStride: count)
                for y in 0..<6 {
                    winogradWeightTransform(
                        taps, tapStride: count, y: y, count: count, scratch: taps + 9 * count,
                        into: u.pointer + 6 * y * size + rows.lowerBound * outputs, planeStride: size)
                }
            }
        }
        return u
    }
}

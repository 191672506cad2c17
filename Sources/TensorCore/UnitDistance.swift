import Kernels

extension Tensor {
    /// The mean over an image's pixels of Σ_c weights[c]·(u_c − v_c)², u and v the directions x/(‖x‖ + ε) of a pixel of self and of `other`:
    /// maps `[B, …, C]` and weights `[C]` → `[B]`. Blocks of pixels are added in order.
    package func unitDistance(to other: Tensor, weights: Tensor, epsilon: Float, pool: ThreadPool) -> Tensor {
        let (images, pixels, channels) = pixelExtents(other, weights)
        let blocks = Tensor.pixelBlocks(pixels, channels)
        var partial = [Double](repeating: 0, count: images * blocks.parts)
        partial.withUnsafeMutableBufferPointer { partial in
            nonisolated(unsafe) let partial = partial
            pool.parallel(images * blocks.parts) { index in
                let range = blocks[index % blocks.parts]
                let start = (index / blocks.parts * pixels + range.lowerBound) * channels
                partial[index] = Kernels.unitDistance(
                    pointer + start, other.pointer + start, weights: weights.pointer, epsilon: epsilon, rows: range.count, columns: channels)
            }
        }
        return Tensor(
            (0..<images).map { image in
                Float(partial[(image * blocks.parts)..<((image + 1) * blocks.parts)].reduce(0, +) / Double(pixels))
            }, [images])
    }

    /// dx of `unitDistance` for the input self, where `dy` is `[B]`; nothing for `other` and `weights`.
    package func unitDistanceGradient(_ dy: Tensor, to other: Tensor, weights: Tensor, epsilon: Float, pool: ThreadPool) -> Tensor {
        let (images, pixels, channels) = pixelExtents(other, weights)
        precondition(dy.count == images, "gradient \(dy.shape) of distances between \(shape)")
        let blocks = Tensor.pixelBlocks(pixels, channels)
        let dx = Tensor(uninitialised: shape)
        pool.parallel(images * blocks.parts) { index in
            let image = index / blocks.parts
            let range = blocks[index % blocks.parts]
            let start = (image * pixels + range.lowerBound) * channels
            unitDistanceBackward(
                pointer + start, other.pointer + start, weights: weights.pointer, epsilon: epsilon,
                factor: dy.pointer[image] / Float(pixels), into: dx.pointer + start, rows: range.count, columns: channels)
        }
        return dx
    }

    private func pixelExtents(_ other: Tensor, _ weights: Tensor) -> (images: Int, pixels: Int, channels: Int) {
        precondition(other.shape == shape && weights.count == shape[-1], "distance of \(shape) and \(other.shape), weights \(weights.shape)")
        let images = shape[0]
        return (images, count / max(images * shape[-1], 1), shape[-1])
    }

    /// About 64 KiB of each map a block.
    private static func pixelBlocks(_ pixels: Int, _ channels: Int) -> Partition { Partition(pixels, about: max(8, 16_384 / max(channels, 1))) }
}

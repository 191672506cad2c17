import TensorCore

/// How far an image lies from another, pixel by pixel.
public struct PixelError: Sendable, Equatable {
    /// Mean squared error of images of range [0, 1].
    public let meanSquared: Double
    /// Mean absolute error of images of range [−1, 1].
    public let meanAbsolute: Double

    public init(meanSquared: Double, meanAbsolute: Double) {
        self.meanSquared = meanSquared
        self.meanAbsolute = meanAbsolute
    }

    /// The errors of every reconstruction against its image, `[B, H, W, 3]` both, in [−1, 1]; what a reconstruction exceeds that by is cut off.
    public static func of(_ reconstructions: Tensor, against images: Tensor) -> [PixelError] {
        precondition(reconstructions.shape == images.shape, "errors of \(reconstructions.shape) against \(images.shape)")
        let batch = images.shape[0]
        let count = images.count / max(batch, 1)
        return images.withElements { x in
            reconstructions.withElements { y in
                (0..<batch).map { image in
                    var (squared, absolute) = (0.0, 0.0)
                    for i in (image * count)..<((image + 1) * count) {
                        let difference = Double(x[i] - min(1, max(-1, y[i])))
                        squared += difference * difference / 4
                        absolute += abs(difference)
                    }
                    return PixelError(meanSquared: squared / Double(count), meanAbsolute: absolute / Double(count))
                }
            }
        }
    }
}

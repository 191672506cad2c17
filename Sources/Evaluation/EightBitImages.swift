import TensorCore

/// RGB images of 8 bits, which PSNR and SSIM are measured on (spec 9).
public struct EightBitImages: Sendable, Equatable {
    public let count: Int
    public let height: Int
    public let width: Int
    /// `[count, height, width, 3]`.
    public let pixels: [UInt8]

    /// - Parameter pixels: `[count, height, width, 3]`.
    public init(count: Int, height: Int, width: Int, pixels: [UInt8]) {
        precondition(pixels.count == count * height * width * 3, "\(pixels.count) bytes for \(count) images of \(width)x\(height)")
        self.count = count
        self.height = height
        self.width = width
        self.pixels = pixels
    }

    /// Images `[B, H, W, 3]` in [−1, 1] by the official rule, ⌊255·(x + 1)/2⌋ of the clamped value in float32: truncated, not rounded.
    ///
    /// - Throws: `EvaluationError` for an image that is not finite.
    public init(truncating images: Tensor) throws(EvaluationError) {
        precondition(images.shape.rank == 4 && images.shape[3] == 3, "images of shape \(images.shape)")
        let size = images.shape[1] * images.shape[2] * 3
        guard images.isFinite else {
            let first = (0..<images.shape[0]).first { !images.slice(from: $0 * size, [size]).isFinite }
            throw .notFinite(image: first ?? 0)
        }
        self.init(
            count: images.shape[0], height: images.shape[1], width: images.shape[2],
            pixels: images.withElements { $0.map { UInt8((min(1, max(-1, $0)) + 1) / 2 * 255) } })
    }

    /// Bytes of an image.
    var imageSize: Int { height * width * 3 }

    func requireSameShape(_ other: EightBitImages) {
        precondition(
            count == other.count && height == other.height && width == other.width,
            "\(count) images of \(width)x\(height) against \(other.count) of \(other.width)x\(other.height)")
    }
}

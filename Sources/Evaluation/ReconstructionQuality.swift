import MergeVQ
import NeuralNet
import TensorCore

/// How good reconstructions are, image by image and on the mean (spec 9). Images of any number of batches; the result does not depend on how they
/// were cut into batches.
public struct ReconstructionQuality: Sendable {
    /// A perceptual distance and its weights.
    public struct Perceptual: Sendable {
        public let distance: PerceptualDistance
        public let weights: Tensor

        public init(_ distance: PerceptualDistance, weights: Tensor) {
            self.distance = distance
            self.weights = weights
        }
    }

    /// The measures of one image.
    public struct Measures: Sendable, Equatable {
        /// In decibels, of truncated 8-bit images; +∞ for equal ones.
        public let psnr: Double
        /// Of truncated 8-bit images; nil for images smaller than a window.
        public let ssim: Double?
        /// Mean absolute error of images of range [−1, 1].
        public let meanAbsoluteError: Double
        /// Perceptual distance; nil if none was asked for.
        public let perceptual: Double?

        public init(psnr: Double, ssim: Double?, meanAbsoluteError: Double, perceptual: Double?) {
            self.psnr = psnr
            self.ssim = ssim
            self.meanAbsoluteError = meanAbsoluteError
            self.perceptual = perceptual
        }
    }

    /// Images measured so far, in order.
    public private(set) var images: [Measures] = []
    private let perceptual: Perceptual?
    private let pool: ThreadPool

    public init(perceptual: Perceptual? = nil, pool: ThreadPool) {
        self.perceptual = perceptual
        self.pool = pool
    }

    /// Measures the reconstructions of a batch, `[B, H, W, 3]` both, in [−1, 1]; what a reconstruction exceeds that by is cut off.
    ///
    /// - Throws: `EvaluationError` for a reconstruction that is not finite; nothing is added then.
    @discardableResult
    public mutating func add(_ reconstructions: Tensor, of originals: Tensor) throws(EvaluationError) -> [Measures] {
        let (original, reconstruction) = (try EightBitImages(truncating: originals), try EightBitImages(truncating: reconstructions))
        let psnr = reconstruction.psnr(against: original)
        let ssim = reconstruction.fitsWindow ? reconstruction.ssim(against: original, pool: pool) : nil
        let errors = PixelError.of(reconstructions, against: originals)
        let distances = perceptual.map { perceptualDistances($0, reconstructions, originals) }
        let measures = (0..<original.count).map {
            Measures(psnr: psnr[$0], ssim: ssim?[$0], meanAbsoluteError: errors[$0].meanAbsolute, perceptual: distances?[$0])
        }
        images += measures
        return measures
    }

    /// Image by image, so that a distance does not depend on the batch it is measured in.
    private func perceptualDistances(_ perceptual: Perceptual, _ reconstructions: Tensor, _ originals: Tensor) -> [Double] {
        let shape: Shape = [1, originals.shape[1], originals.shape[2], 3]
        return (0..<originals.shape[0]).map { image in
            let graph = Graph(weights: perceptual.weights, pool: pool)
            let clamped = reconstructions.slice(from: image * shape.count, shape).copied()
            clamped.withElements { for i in $0.indices { $0[i] = min(1, max(-1, $0[i])) } }
            let original = originals.slice(from: image * shape.count, shape)
            return Double(perceptual.distance(graph.constant(clamped), to: original, weights: perceptual.weights).value.scalar)
        }
    }

    /// Images that equal their reconstruction, whose PSNR is infinite.
    public var identicalImages: Int { images.count { $0.psnr == .infinity } }
    /// The mean PSNR of the others, in decibels; nil without any.
    public var psnr: Double? { mean(images.map(\.psnr).filter { $0 < .infinity }) }
    /// The mean SSIM; nil without images, or if they are smaller than a window.
    public var ssim: Double? { mean(images.compactMap(\.ssim)) }
    /// The mean absolute error, images of range [−1, 1]; nil without images.
    public var meanAbsoluteError: Double? { mean(images.map(\.meanAbsoluteError)) }
    /// The mean perceptual distance; nil if it is not measured, or without images.
    public var perceptualDistance: Double? { mean(images.compactMap(\.perceptual)) }

    private func mean(_ values: [Double]) -> Double? {
        values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }
}

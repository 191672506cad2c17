import Foundation

extension EightBitImages {
    /// The peak signal-to-noise ratio of every image against the other set's, 10·log₁₀(255²/MSE) in decibels; +∞ for equal images.
    public func psnr(against other: EightBitImages) -> [Double] {
        squaredErrors(against: other).map { EightBitImages.decibels(squaredError: $0, values: imageSize) }
    }

    /// The same of all images as one, which is what the official evaluation prints for a batch.
    public func pooledPSNR(against other: EightBitImages) -> Double {
        EightBitImages.decibels(squaredError: squaredErrors(against: other).reduce(0, +), values: count * imageSize)
    }

    private static func decibels(squaredError: Int, values: Int) -> Double {
        10 * log10(255 * 255 * Double(values) / Double(squaredError))
    }

    private func squaredErrors(against other: EightBitImages) -> [Int] {
        requireSameShape(other)
        return (0..<count).map { image in
            ((image * imageSize)..<((image + 1) * imageSize)).reduce(0) { sum, i in
                let difference = Int(pixels[i]) - Int(other.pixels[i])
                return sum + difference * difference
            }
        }
    }
}

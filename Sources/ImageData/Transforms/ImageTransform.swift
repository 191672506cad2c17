import TensorCore

/// From a decoded image to the model's input: resize, crop, and scale to [−1, 1].
///
/// The shorter side is resized to `size` (smaller images are enlarged) and a square of `size` is cut: at random after a
/// bicubic resize for training, from the centre after a bilinear one for validation. Never a flip. The 8-bit pixels equal
/// those of Pillow's `resize` and `crop`. Random offsets are a function of (seed, step, sample) alone.
public struct ImageTransform: Sendable {
    public enum Purpose: Sendable {
        case training
        case validation
    }

    /// Side of the square result in pixels.
    public let size: Int
    public let purpose: Purpose
    private let random: Philox

    /// - Parameters:
    ///   - size: side of the square result in pixels.
    ///   - seed: the run's seed; of no effect for validation.
    public init(size: Int, purpose: Purpose, seed: UInt64 = 0) {
        precondition(size > 0, "no crop of \(size) pixels")
        self.size = size
        self.purpose = purpose
        random = Philox(seed: seed, domain: "crop")
    }

    /// Number of floats of one image: `size · size · 3`.
    public var elementCount: Int { size * size * 3 }

    /// Writes the transformed image as floats in [−1, 1], `[size, size, 3]`.
    /// - Parameters:
    ///   - step: the epoch or step, and `sample`: the sample id, which together choose the random crop.
    ///   - target: exactly `elementCount` floats.
    public func callAsFunction(
        _ image: RGBImage, step: Int, sample: Int, into target: UnsafeMutableBufferPointer<Float>
    ) {
        let pixels = PixelBuffer()
        pixels.fill(from: image)
        self(pixels, step: step, sample: sample, with: Resampler(), into: target)
    }

    /// `callAsFunction` with memory to use again.
    func callAsFunction(
        _ image: PixelBuffer, step: Int, sample: Int, with resampler: Resampler, into target: UnsafeMutableBufferPointer<Float>
    ) {
        precondition(
            target.count == elementCount, "\(target.count) floats are not an image of \(size)x\(size)x3")
        let window = window(width: image.width, height: image.height, step: step, sample: sample)
        resampler.resample(image, to: window, filter, into: target)
    }

    /// The resized and cropped 8-bit image of `size`×`size`.
    public func square(of image: RGBImage, step: Int, sample: Int) -> RGBImage {
        let pixels = PixelBuffer()
        pixels.fill(from: image)
        return RGBImage(width: size, height: size) { square(of: pixels, step: step, sample: sample, with: Resampler(), into: $0) }
    }

    /// `square` with memory to use again.
    func square(
        of image: PixelBuffer, step: Int, sample: Int, with resampler: Resampler, into target: UnsafeMutableBufferPointer<UInt8>
    ) {
        let window = window(width: image.width, height: image.height, step: step, sample: sample)
        resampler.resample(image, to: window, filter, into: target)
    }

    private var filter: ResamplingFilter { purpose == .training ? .bicubic : .bilinear }

    /// To which size an image of this size is resized, and which square of that is cut.
    private func window(width: Int, height: Int, step: Int, sample: Int) -> ResamplingWindow {
        let (width, height) = Self.resizedSize(width: width, height: height, shorterSide: size)
        let x: Int
        let y: Int
        switch purpose {
        case .training:
            y = random.integer(below: height - size + 1, step: step, sample: sample, draw: 0)
            x = random.integer(below: width - size + 1, step: step, sample: sample, draw: 1)
        case .validation:
            y = Self.centreOffset(height, crop: size)
            x = Self.centreOffset(width, crop: size)
        }
        return ResamplingWindow(width: width, height: height, x: x, y: y, cropWidth: size, cropHeight: size)
    }

    /// The size at which the shorter side is `shorterSide` and the longer one ⌊shorterSide · long / short⌋.
    public static func resizedSize(width: Int, height: Int, shorterSide: Int) -> (width: Int, height: Int) {
        let longerSide = shorterSide * max(width, height) / min(width, height)
        return width <= height ? (shorterSide, longerSide) : (longerSide, shorterSide)
    }

    /// Where a centre crop starts: half the difference, halves rounded to even.
    package static func centreOffset(_ size: Int, crop: Int) -> Int {
        Int((Double(size - crop) / 2).rounded(.toNearestOrEven))
    }

    /// The image of floats in [−1, 1], `[height, width, 3]`: clamped, and rounded to the nearest of 256 levels;
    /// what is not a number becomes black.
    public static func image(
        from values: UnsafeBufferPointer<Float>, width: Int, height: Int
    ) -> RGBImage {
        precondition(
            values.count == width * height * 3, "\(values.count) floats are not an image of \(width)x\(height)x3")
        return RGBImage(width: width, height: height) { pixels in
            for index in 0..<values.count {
                let level = ((values[index] + 1) * 127.5).rounded()
                pixels[index] = level > 0 ? UInt8(min(level, 255)) : 0
            }
        }
    }
}

import TensorCore

/// From a decoded image to the model's input: resize, crop, and scale.
///
/// Of a sample there are three views (spec 8). For training:
///
/// | view | cut | scaled to |
/// |---|---|---|
/// | reconstruction | shorter side resized to `size` (smaller images are enlarged), bicubic; a random square of `size` | [−1, 1] |
/// | teacher | the same with an offset of its own | ImageNet's mean and deviation |
/// | student | `RandomResizedCrop`, bicubic, mirrored half of the times | [−1, 1] |
///
/// For validation each is the central square after a bilinear resize. The 8-bit pixels equal those of Pillow's `resize` and `crop`. Random
/// choices are a function of (seed, view, step, sample) alone.
public struct ImageTransform: Sendable {
    public enum Purpose: Sendable {
        case training
        case validation
    }

    /// For whom an image is cut.
    public enum View: String, Sendable, CaseIterable {
        /// What the tokenizer encodes and reconstructs. Never mirrored.
        case reconstruction
        /// What the teacher of the global alignment sees. Never mirrored.
        case teacher
        /// What the tokenizer's encoder sees in the global alignment.
        case student
    }

    /// Side of the square result in pixels.
    public let size: Int
    public let purpose: Purpose
    public let view: View
    private let random: Philox

    /// - Parameters:
    ///   - size: side of the square result in pixels.
    ///   - seed: the run's seed; of no effect for validation.
    public init(size: Int, purpose: Purpose, view: View = .reconstruction, seed: UInt64 = 0) {
        precondition(size > 0, "no crop of \(size) pixels")
        self.size = size
        self.purpose = purpose
        self.view = view
        random = Philox(seed: seed, domain: view == .reconstruction ? "crop" : "\(view.rawValue) crop")
    }

    /// Number of floats of one image: `size · size · 3`.
    public var elementCount: Int { size * size * 3 }

    /// Writes the transformed image as floats, `[size, size, 3]`.
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
        let cut = cut(image, step: step, sample: sample)
        resampler.resample(cut.region, to: cut.window, filter, view == .teacher ? .imageNet : .symmetric, into: target)
        if cut.isMirrored { mirrorRows(of: target) }
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
        let cut = cut(image, step: step, sample: sample)
        resampler.resample(cut.region, to: cut.window, filter, into: target)
        if cut.isMirrored { mirrorRows(of: target) }
    }

    private var filter: ResamplingFilter { purpose == .training ? .bicubic : .bilinear }

    /// Which region of an image is resized, to what, which square of that is cut, and whether that is mirrored.
    private func cut(
        _ image: PixelBuffer, step: Int, sample: Int
    ) -> (region: PixelRegion, window: ResamplingWindow, isMirrored: Bool) {
        if purpose == .training && view == .student {
            let box = RandomResizedCrop().box(width: image.width, height: image.height, random: random, step: step, sample: sample)
            return (
                PixelRegion(image, x: box.x, y: box.y, width: box.width, height: box.height),
                ResamplingWindow(width: size, height: size, x: 0, y: 0, cropWidth: size, cropHeight: size),
                random.uniform(step: step, sample: sample, draw: RandomResizedCrop.draws) < 0.5
            )
        }
        let (width, height) = Self.resizedSize(width: image.width, height: image.height, shorterSide: size)
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
        return (image.whole, ResamplingWindow(width: width, height: height, x: x, y: y, cropWidth: size, cropHeight: size), false)
    }

    /// Exchanges left and right of a square `[size, size, 3]`.
    private func mirrorRows<Element>(of square: UnsafeMutableBufferPointer<Element>) {
        for row in 0..<size {
            for column in 0..<size / 2 {
                let (left, right) = ((row * size + column) * 3, (row * size + size - 1 - column) * 3)
                for channel in 0..<3 { square.swapAt(left + channel, right + channel) }
            }
        }
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

/// How 8-bit levels become floats: (level/255 − mean)/deviation, rounded as torchvision's ToTensor and Normalize do.
enum PixelScaling {
    /// To [−1, 1]: mean and deviation ½.
    case symmetric
    /// By ImageNet's mean and deviation of each channel.
    case imageNet

    static let imageNetMean: [Float] = [0.485, 0.456, 0.406]
    static let imageNetDeviation: [Float] = [0.229, 0.224, 0.225]
}

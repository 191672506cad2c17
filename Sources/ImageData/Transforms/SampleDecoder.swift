/// From the bytes of a JPEG to the model's input, image after image with the same memory. One thread at a time.
///
/// ```swift
/// let decoder = SampleDecoder(ImageTransform(size: 256, purpose: .training, seed: 1))
/// try decoder(bytes, file: path, step: step, sample: id, into: floats)
/// ```
///
/// The result is that of `ImageTransform` applied to `JPEG.decode`, bit for bit; only the memory traffic is less. Several views of a sample
/// come from one decoding.
public final class SampleDecoder {
    /// One for every view.
    public let transforms: [ImageTransform]
    private let pixels = PixelBuffer()
    private let resampler = Resampler()

    /// - Parameter transforms: of the views wanted, at least one.
    public init(_ transforms: [ImageTransform]) {
        precondition(!transforms.isEmpty, "a decoder of no views")
        self.transforms = transforms
    }

    public convenience init(_ transform: ImageTransform) {
        self.init([transform])
    }

    /// The first view's transform.
    public var transform: ImageTransform { transforms[0] }

    /// Decodes and transforms an image to floats, `[size, size, 3]`: the first view alone.
    /// - Parameters:
    ///   - file: the name used in errors.
    ///   - step: the step, and `sample`: the sample id, which together choose the random crop.
    ///   - target: exactly `transform.elementCount` floats.
    public func callAsFunction(
        _ bytes: [UInt8], file: String, step: Int, sample: Int, into target: UnsafeMutableBufferPointer<Float>
    ) throws(ImageError) {
        defer { clear() }
        try decode(bytes, file: file)
        transform(pixels, step: step, sample: sample, with: resampler, into: target)
    }

    /// Decodes an image once and transforms it to all views.
    /// - Parameters:
    ///   - file: the name used in errors.
    ///   - step: the step, and `sample`: the sample id, which together choose the random crops.
    ///   - targets: for each transform exactly its `elementCount` floats.
    public func callAsFunction(
        _ bytes: [UInt8], file: String, step: Int, sample: Int, into targets: [UnsafeMutableBufferPointer<Float>]
    ) throws(ImageError) {
        precondition(targets.count == transforms.count, "\(targets.count) targets for \(transforms.count) views")
        defer { clear() }
        try decode(bytes, file: file)
        for (transform, target) in zip(transforms, targets) {
            transform(pixels, step: step, sample: sample, with: resampler, into: target)
        }
    }

    // The stages one by one, for measuring.

    /// Decodes an image, which stays until `clear`.
    package func decode(_ bytes: [UInt8], file: String) throws(ImageError) {
        try JPEG.decode(bytes, file: file, into: pixels)
    }

    /// The square of the decoded image, in 8 bits, `[size, size, 3]`.
    package func square(step: Int, sample: Int, into target: UnsafeMutableBufferPointer<UInt8>) {
        transform.square(of: pixels, step: step, sample: sample, with: resampler, into: target)
    }

    /// The square of the decoded image as floats in [−1, 1], `[size, size, 3]`.
    package func floats(step: Int, sample: Int, into target: UnsafeMutableBufferPointer<Float>) {
        transform(pixels, step: step, sample: sample, with: resampler, into: target)
    }

    /// Forgets the decoded image.
    package func clear() { pixels.clear() }
}

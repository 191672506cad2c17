internal import CPNG

/// PNG by libpng's simplified interface: 8-bit RGB in and out.
public enum PNG {
    static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

    static func isSigned(_ bytes: [UInt8]) -> Bool { bytes.starts(with: signature) }

    /// Decodes any PNG (palette, greyscale, 16 bits …) to 8-bit RGB; an alpha channel is dropped, as Pillow does.
    /// - Parameter file: the name used in errors.
    public static func decode(_ bytes: [UInt8], file: String) throws(ImageError) -> RGBImage {
        guard !bytes.isEmpty else { throw .empty(file: file) }
        guard isSigned(bytes) else {
            throw .wrongFormat(
                file: file, expected: "PNG", found: bytes.withUnsafeBytes { ImageFile.appearance(of: $0) })
        }
        var control = png_image()
        control.version = UInt32(PNG_IMAGE_VERSION)
        defer { png_image_free(&control) }
        return try bytes.withUnsafeBufferPointer { buffer throws(ImageError) in
            guard png_image_begin_read_from_memory(&control, buffer.baseAddress, buffer.count) != 0 else {
                throw .corrupt(file: file, reason: message(of: control))
            }
            let width = Int(control.width)
            let height = Int(control.height)
            guard width * height <= ImageFile.largestPixelCount else {
                throw .tooLarge(file: file, width: width, height: height)
            }
            let hasAlpha = control.format & UInt32(PNG_FORMAT_FLAG_ALPHA) != 0
            let channels = hasAlpha ? 4 : 3
            control.format = UInt32(PNG_FORMAT_FLAG_COLOR) | (hasAlpha ? UInt32(PNG_FORMAT_FLAG_ALPHA) : 0)
            var samples = [UInt8](repeating: 0, count: width * height * channels)
            guard png_image_finish_read(&control, nil, &samples, 0, nil) != 0 else {
                throw .corrupt(file: file, reason: message(of: control))
            }
            guard hasAlpha else { return RGBImage(width: width, height: height, pixels: samples) }
            return RGBImage(width: width, height: height) { pixels in
                for pixel in 0..<width * height {
                    for channel in 0..<3 { pixels[pixel * 3 + channel] = samples[pixel * 4 + channel] }
                }
            }
        }
    }

    /// Encodes an image.
    public static func encode(_ image: RGBImage) -> [UInt8] {
        var control = png_image()
        control.version = UInt32(PNG_IMAGE_VERSION)
        control.width = UInt32(image.width)
        control.height = UInt32(image.height)
        control.format = UInt32(PNG_FORMAT_FLAG_COLOR)
        defer { png_image_free(&control) }
        // Pixels, one filter byte a row, and room for deflate's framing of data that do not compress.
        let raw = image.height * (image.width * 3 + 1)
        let capacity = raw + raw / 1000 + 4096
        return [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            var size = png_alloc_size_t(capacity)
            let status = png_image_write_to_memory(&control, buffer.baseAddress, &size, 0, image.pixels, 0, nil)
            // Arguments are checked by RGBImage and the buffer holds the worst case: only a defect can get here.
            precondition(status != 0, "PNG encoder: \(message(of: control))")
            count = Int(size)
        }
    }

    private static func message(of control: png_image) -> String {
        withUnsafeBytes(of: control.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

internal import CTurboJPEG

/// JPEG by libjpeg-turbo with the accurate integer DCT and smooth chroma upsampling, the settings of Pillow and torchvision.
public enum JPEG {
    /// What the header of a JPEG says.
    public struct Header: Sendable, Equatable {
        public let width: Int
        public let height: Int
        public let isGreyscale: Bool
    }

    /// Chroma resolution of an encoded image.
    public enum Chroma: Sendable {
        /// 4:4:4
        case full
        /// 4:2:0, half the resolution in both directions, as in most photographs
        case half
    }

    /// Reads size and colour from the first bytes of a JPEG, of which `bytes` need only hold the header.
    /// - Parameter file: the name used in errors.
    public static func header(of bytes: [UInt8], file: String) throws(ImageError) -> Header {
        try bytes.withUnsafeBufferPointer { buffer throws(ImageError) in
            try Decompressor().header(UnsafeRawBufferPointer(buffer), file)
        }
    }

    /// Decodes a colour or greyscale JPEG to RGB.
    ///
    /// A file whose data end early is refused although a decoder could fill the rest with grey. Other damage that the
    /// decoder can step over (stray bytes before a marker, as in a few files of ImageNet) is accepted.
    /// - Parameter file: the name used in errors.
    public static func decode(_ bytes: [UInt8], file: String) throws(ImageError) -> RGBImage {
        try decodeWithWarning(bytes, file: file).image
    }

    /// Decodes a colour or greyscale JPEG into a buffer, whose memory is used again and again: the pixels and errors of `decode`.
    static func decode(_ bytes: [UInt8], file: String, into pixels: PixelBuffer) throws(ImageError) {
        try bytes.withUnsafeBufferPointer { buffer throws(ImageError) in
            try Decompressor().decode(UnsafeRawBufferPointer(buffer), into: pixels, file)
        }
    }

    /// `decode`, with the decoder's complaint about a file that was accepted all the same.
    package static func decodeWithWarning(
        _ bytes: [UInt8], file: String
    ) throws(ImageError) -> (image: RGBImage, warning: String?) {
        try bytes.withUnsafeBufferPointer { buffer throws(ImageError) in
            try Decompressor().decode(UnsafeRawBufferPointer(buffer), file)
        }
    }

    /// Encodes an image; `quality` in 1...100. The same image always gives the same bytes.
    public static func encode(_ image: RGBImage, quality: Int, chroma: Chroma = .half) -> [UInt8] {
        precondition((1...100).contains(quality), "JPEG quality \(quality) is not in 1...100")
        precondition(
            image.width <= 65500 && image.height <= 65500, "a JPEG cannot hold \(image.width)x\(image.height) pixels")
        let subsampling = Int32((chroma == .full ? TJSAMP_444 : TJSAMP_420).rawValue)
        let capacity = tjBufSize(Int32(image.width), Int32(image.height), subsampling)
        guard let handle = tjInitCompress() else { preconditionFailure("no memory for a JPEG encoder") }
        defer { tjDestroy(handle) }
        return [UInt8](unsafeUninitializedCapacity: Int(capacity)) { buffer, count in
            var target = buffer.baseAddress
            var size = capacity
            let status = image.pixels.withUnsafeBufferPointer { pixels in
                tjCompress2(
                    handle, pixels.baseAddress, Int32(image.width), 0, Int32(image.height),
                    Int32(TJPF_RGB.rawValue), &target, &size, subsampling, Int32(quality),
                    TJFLAG_ACCURATEDCT | TJFLAG_NOREALLOC)
            }
            // Every argument has been checked and the buffer holds the worst case: only a defect can get here.
            precondition(status == 0, "JPEG encoder: \(String(cString: tjGetErrorStr2(handle)))")
            count = Int(size)
        }
    }
}

/// Owner of one libjpeg-turbo decompressor.
///
/// Every image gets a new one, for some microseconds: the tables of an image stay in the decompressor, so that a damaged file which lacks its
/// own would be decoded with those of whatever image came before.
private struct Decompressor: ~Copyable {
    private let handle: tjhandle

    init() {
        guard let handle = tjInitDecompress() else { preconditionFailure("no memory for a JPEG decoder") }
        self.handle = handle
    }

    deinit { tjDestroy(handle) }

    func header(_ bytes: UnsafeRawBufferPointer, _ file: String) throws(ImageError) -> JPEG.Header {
        guard let base = bytes.baseAddress, bytes.count > 0 else { throw .empty(file: file) }
        guard bytes.count >= 2 && bytes[0] == 0xFF && bytes[1] == 0xD8 else {
            throw .wrongFormat(file: file, expected: "JPEG", found: ImageFile.appearance(of: bytes))
        }
        var width: Int32 = 0
        var height: Int32 = 0
        var subsampling: Int32 = 0
        var colour: Int32 = 0
        let status = tjDecompressHeader3(
            handle, base.assumingMemoryBound(to: UInt8.self), UInt(bytes.count), &width, &height, &subsampling, &colour)
        guard (status == 0 || isWarning) && width > 0 && height > 0 else { throw failure(bytes, file) }
        switch colour {
        case Int32(TJCS_CMYK.rawValue): throw .unsupportedColour(file: file, colour: "CMYK")
        case Int32(TJCS_YCCK.rawValue): throw .unsupportedColour(file: file, colour: "CMYK (stored as YCCK)")
        default: break
        }
        guard Int(width) * Int(height) <= ImageFile.largestPixelCount else {
            throw .tooLarge(file: file, width: Int(width), height: Int(height))
        }
        return JPEG.Header(
            width: Int(width), height: Int(height), isGreyscale: colour == Int32(TJCS_GRAY.rawValue))
    }

    func decode(
        _ bytes: UnsafeRawBufferPointer, _ file: String
    ) throws(ImageError) -> (image: RGBImage, warning: String?) {
        let header = try header(bytes, file)
        var warning: String?
        let image = try RGBImage(width: header.width, height: header.height) { pixels throws(ImageError) in
            warning = try decode(bytes, header, TJPF_RGB, into: pixels, file)
        }
        return (image, warning)
    }

    func decode(_ bytes: UnsafeRawBufferPointer, into pixels: PixelBuffer, _ file: String) throws(ImageError) {
        let header = try header(bytes, file)
        _ = try decode(bytes, header, TJPF_RGBX, into: pixels.resize(width: header.width, height: header.height), file)
    }

    /// Writes all pixels of an image with this header, in this format; returns the decoder's complaint about an accepted image.
    private func decode(
        _ bytes: UnsafeRawBufferPointer, _ header: JPEG.Header, _ format: TJPF, into pixels: UnsafeMutableBufferPointer<UInt8>,
        _ file: String
    ) throws(ImageError) -> String? {
        func decompress() -> Int32 {
            tjDecompress2(
                handle, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt(bytes.count), pixels.baseAddress,
                Int32(header.width), 0, Int32(header.height), Int32(format.rawValue), TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS)
        }
        guard decompress() != 0 else { return nil }
        // The library keeps only its first warning, so a file that ends early may report something harmless:
        // look for the end marker too.
        guard isWarning && !message.contains("Premature end of JPEG file") && JPEGMarkers.reachEnd(of: bytes)
        else { throw failure(bytes, file) }
        let warning = message
        // Lines that a damaged file does not reach are black, not what the memory held before: once more, for this rare case only.
        pixels.initialize(repeating: 0)
        _ = decompress()
        return warning
    }

    private var isWarning: Bool { tjGetErrorCode(handle) == Int32(TJERR_WARNING.rawValue) }

    private var message: String { String(cString: tjGetErrorStr2(handle)) }

    private func failure(_ bytes: UnsafeRawBufferPointer, _ file: String) -> ImageError {
        JPEGMarkers.reachEnd(of: bytes) ? .corrupt(file: file, reason: message) : .truncated(file: file)
    }
}

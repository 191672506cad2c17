import Foundation

/// Whole image files: reading bytes, telling formats apart, writing atomically.
public enum ImageFile {
    /// Images with more pixels are refused before any memory is taken for them (the limit at which Pillow errs).
    public static let largestPixelCount = 178_956_970

    /// Decodes a JPEG or PNG file, told apart by its first bytes.
    public static func read(_ path: String) throws(ImageError) -> RGBImage {
        let bytes = try self.bytes(of: path)
        return PNG.isSigned(bytes) ? try PNG.decode(bytes, file: path) : try JPEG.decode(bytes, file: path)
    }

    /// Writes `image` as PNG, or as JPEG of quality 95 when the path ends in .jpg or .jpeg.
    public static func write(_ image: RGBImage, to path: String) throws(ImageError) {
        let name = path.lowercased()
        let isJPEG = name.hasSuffix(".jpg") || name.hasSuffix(".jpeg")
        try write(isJPEG ? JPEG.encode(image, quality: 95) : PNG.encode(image), to: path)
    }

    /// All bytes of a file, or at most the first `limit`.
    public static func bytes(of path: String, limit: Int = .max) throws(ImageError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unreadable(file: path, reason: systemReason()) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .unreadable(file: path, reason: systemReason()) }
        let wanted = min(Int(status.st_size), limit)
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
            while count < wanted {
                let got = Foundation.read(descriptor, buffer.baseAddress! + count, wanted - count)  // wanted > 0 here
                if got > 0 {
                    count += got
                } else if got == 0 {
                    break
                } else if errno != EINTR {
                    failure = errno
                    break
                }
            }
        }
        guard failure == 0 else { throw .unreadable(file: path, reason: systemReason(failure)) }
        return bytes
    }

    /// Writes bytes to a temporary file beside `path` and renames it, so that no reader ever sees half a file.
    public static func write(_ bytes: [UInt8], to path: String) throws(ImageError) {
        let temporary = "\(path).\(UUID().uuidString.prefix(8)).tmp"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw .unwritable(file: path, reason: systemReason()) }
        var written = 0
        var failure: Int32 = 0
        bytes.withUnsafeBytes { buffer in
            while written < buffer.count, let base = buffer.baseAddress {
                let put = Foundation.write(descriptor, base + written, buffer.count - written)
                if put >= 0 {
                    written += put
                } else if errno != EINTR {
                    failure = errno
                    return
                }
            }
        }
        if close(descriptor) != 0 && failure == 0 { failure = errno }
        if failure == 0 && rename(temporary, path) != 0 { failure = errno }
        guard failure == 0 else {
            unlink(temporary)
            throw .unwritable(file: path, reason: systemReason(failure))
        }
    }

    /// What the first bytes of a file that is not a JPEG look like, for error messages.
    static func appearance(of bytes: UnsafeRawBufferPointer) -> String {
        let signatures: [(name: String, offset: Int, bytes: [UInt8])] = [
            ("a PNG image", 0, PNG.signature), ("a JPEG image", 0, [0xFF, 0xD8]), ("a GIF image", 0, Array("GIF8".utf8)),
            ("a WebP image", 8, Array("WEBP".utf8)), ("a BMP image", 0, Array("BM".utf8)),
            ("a TIFF image", 0, Array("II*\0".utf8)), ("a TIFF image", 0, Array("MM\0*".utf8)),
        ]
        for signature in signatures where bytes.dropFirst(signature.offset).starts(with: signature.bytes) {
            return signature.name
        }
        let isText = bytes.prefix(256).allSatisfy { $0 == 9 || $0 == 10 || $0 == 13 || (32..<127).contains($0) }
        return isText ? "a text file" : "unknown data"
    }
}

/// The text of a system error number, of `errno` unless another is given.
func systemReason(_ number: Int32 = errno) -> String { String(cString: strerror(number)) }

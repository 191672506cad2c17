#if canImport(Glibc)
import Glibc
#endif

/// Memory that grows to the largest request and is used again. What it holds is not kept from one request to the next.
final class ScratchMemory {
    /// More is given back by `trim`.
    private static let kept = 64 << 20
    private var base: UnsafeMutableRawPointer?
    private var capacity = 0

    deinit { free(base) }

    /// Uninitialised room for `count` elements, aligned to 64 bytes and valid until the next request.
    func reserve<Element>(_ type: Element.Type, _ count: Int) -> UnsafeMutablePointer<Element> {
        let bytes = max(count, 1) * MemoryLayout<Element>.stride
        if let base, bytes <= capacity { return base.bindMemory(to: type, capacity: count) }
        free(base)
        var memory: UnsafeMutableRawPointer?
        guard posix_memalign(&memory, 64, bytes) == 0, let memory else { preconditionFailure("no memory for \(bytes) bytes of pixels") }
        base = memory
        capacity = bytes
        return memory.bindMemory(to: type, capacity: count)
    }

    /// Gives memory back after an uncommonly large image.
    func trim() {
        guard capacity > Self.kept else { return }
        free(base)
        base = nil
        capacity = 0
    }
}

/// A decoded image of four bytes a pixel, RGB and one without meaning: pixels are then 32-bit words, which vectors like.
final class PixelBuffer {
    /// Bytes behind the last pixel that may be read.
    static let padding = 8

    private let memory = ScratchMemory()
    private var base: UnsafeMutablePointer<UInt8>?
    private(set) var width = 0
    private(set) var height = 0

    /// The first byte of a row.
    func row(_ row: Int) -> UnsafePointer<UInt8> {
        precondition(row >= 0 && row < height, "no row \(row) in an image of \(width)x\(height)")
        guard let base else { preconditionFailure("no image") }
        return UnsafePointer(base + row * width * 4)
    }

    /// Makes room for an image; all of its pixels, `[height, width, 4]`, have to be written.
    func resize(width: Int, height: Int) -> UnsafeMutableBufferPointer<UInt8> {
        precondition(width > 0 && height > 0, "no image of \(width)x\(height) pixels")
        self.width = width
        self.height = height
        let count = width * height * 4
        let start = memory.reserve(UInt8.self, count + Self.padding)
        (start + count).initialize(repeating: 0, count: Self.padding)
        base = start
        return UnsafeMutableBufferPointer(start: start, count: count)
    }

    /// Copies an image.
    func fill(from image: RGBImage) {
        let target = resize(width: image.width, height: image.height)
        image.pixels.withUnsafeBufferPointer { source in
            for pixel in 0..<image.width * image.height {
                for channel in 0..<3 { target[pixel * 4 + channel] = source[pixel * 3 + channel] }
                target[pixel * 4 + 3] = 0
            }
        }
    }

    /// All of the image.
    var whole: PixelRegion { PixelRegion(self, x: 0, y: 0, width: width, height: height) }

    /// Forgets the image, and gives memory back after an uncommonly large one.
    func clear() {
        width = 0
        height = 0
        base = nil
        memory.trim()
    }
}

/// A rectangle of a decoded image. For whoever resamples it nothing lies around it, as if it had been cut out.
struct PixelRegion {
    let width: Int
    let height: Int
    private let image: PixelBuffer
    private let x: Int
    private let y: Int

    init(_ image: PixelBuffer, x: Int, y: Int, width: Int, height: Int) {
        precondition(
            x >= 0 && y >= 0 && width > 0 && height > 0 && x + width <= image.width && y + height <= image.height,
            "region \(width)x\(height) at (\(x), \(y)) leaves the image of \(image.width)x\(image.height)")
        (self.image, self.x, self.y, self.width, self.height) = (image, x, y, width, height)
    }

    /// The first byte of a row. Behind the row's last pixel `PixelBuffer.padding` bytes may be read: of other pixels, or of nothing.
    func row(_ row: Int) -> UnsafePointer<UInt8> {
        precondition(row >= 0 && row < height, "no row \(row) in a region of \(width)x\(height)")
        return image.row(y + row) + x * 4
    }
}

/// An 8-bit RGB image, row-major and interleaved: `pixels` is `[height, width, 3]`.
public struct RGBImage: Sendable, Equatable {
    /// Pixels per row, at least 1.
    public let width: Int
    /// Rows, at least 1.
    public let height: Int
    /// `[height, width, 3]`, red first.
    public private(set) var pixels: [UInt8]

    /// Wraps pixels `[height, width, 3]`.
    public init(width: Int, height: Int, pixels: [UInt8]) {
        precondition(width > 0 && height > 0, "no image of \(width)x\(height) pixels")
        precondition(
            pixels.count == width * height * 3, "\(pixels.count) bytes are not \(width)x\(height) RGB pixels")
        self.width = width
        self.height = height
        self.pixels = pixels
    }

    /// An image of one colour.
    public init(width: Int, height: Int, red: UInt8, green: UInt8, blue: UInt8) {
        self.init(width: width, height: height) { pixels in
            for pixel in 0..<width * height {
                pixels[pixel * 3] = red
                pixels[pixel * 3 + 1] = green
                pixels[pixel * 3 + 2] = blue
            }
        }
    }

    /// An image whose pixels `[height, width, 3]` are all written by `fill`, which receives them uninitialised.
    package init<Failure: Error>(
        width: Int, height: Int, filledBy fill: (UnsafeMutableBufferPointer<UInt8>) throws(Failure) -> Void
    ) throws(Failure) {
        let count = width * height * 3
        var failure: Failure?
        let pixels = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            do throws(Failure) {
                try fill(UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
                filled = count
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        self.init(width: width, height: height, pixels: pixels)
    }

    /// Red, green and blue at column `x`, row `y`.
    public subscript(x: Int, y: Int) -> (red: UInt8, green: UInt8, blue: UInt8) {
        get {
            let start = offset(x, y)
            return (pixels[start], pixels[start + 1], pixels[start + 2])
        }
        set {
            let start = offset(x, y)
            pixels[start] = newValue.red
            pixels[start + 1] = newValue.green
            pixels[start + 2] = newValue.blue
        }
    }

    /// The part of `width`×`height` pixels whose upper left corner is at column `x`, row `y`.
    public func cropped(x: Int, y: Int, width: Int, height: Int) -> RGBImage {
        precondition(
            x >= 0 && y >= 0 && width > 0 && height > 0 && x + width <= self.width && y + height <= self.height,
            "crop \(width)x\(height) at (\(x), \(y)) leaves the image of \(self.width)x\(self.height)")
        if width == self.width && height == self.height { return self }
        var part: [UInt8] = []
        part.reserveCapacity(width * height * 3)
        for row in y..<y + height {
            let start = (row * self.width + x) * 3
            part.append(contentsOf: pixels[start..<start + width * 3])
        }
        return RGBImage(width: width, height: height, pixels: part)
    }

    /// Every pixel as a square of `factor`×`factor` pixels.
    public func enlarged(by factor: Int) -> RGBImage {
        precondition(factor >= 1, "an image cannot be enlarged \(factor) times")
        var large: [UInt8] = []
        large.reserveCapacity(pixels.count * factor * factor)
        for row in 0..<(height * factor) {
            for column in 0..<(width * factor) {
                let start = (row / factor * width + column / factor) * 3
                large.append(contentsOf: pixels[start..<start + 3])
            }
        }
        return RGBImage(width: width * factor, height: height * factor, pixels: large)
    }

    /// Copies `image` in, its upper left corner at column `x`, row `y`; it must lie inside.
    public mutating func paste(_ image: RGBImage, x: Int, y: Int) {
        precondition(
            x >= 0 && y >= 0 && x + image.width <= width && y + image.height <= height,
            "image \(image.width)x\(image.height) pasted at (\(x), \(y)) leaves the image of \(width)x\(height)")
        for row in 0..<image.height {
            let source = row * image.width * 3
            let target = offset(x, y + row)
            pixels.replaceSubrange(
                target..<target + image.width * 3, with: image.pixels[source..<source + image.width * 3])
        }
    }

    private func offset(_ x: Int, _ y: Int) -> Int {
        precondition(x >= 0 && y >= 0 && x < width && y < height, "no pixel (\(x), \(y)) in \(width)x\(height)")
        return (y * width + x) * 3
    }
}

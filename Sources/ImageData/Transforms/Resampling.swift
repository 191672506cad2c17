/// Pillow's antialiased resampling of 8-bit images, bit for bit: separable, horizontal pass first, the filter widened by
/// the reduction factor, weights in fixed point, and the picture between the passes rounded to 8 bits.
///
/// That is every Pillow before 13. From 13.0 on Pillow takes the vertical pass first where it saves work, e.g. for images
/// more than twice as tall as wide; its pixels then differ from these by one level here and there.
public enum ResamplingFilter: Sendable {
    /// Triangle of half-width 1.
    case bilinear
    /// Cubic convolution with a = −½, half-width 2.
    case bicubic

    var support: Double { self == .bilinear ? 1 : 2 }

    func weight(at position: Double) -> Double {
        let x = abs(position)
        switch self {
        case .bilinear:
            return x < 1 ? 1 - x : 0
        case .bicubic:
            let a = -0.5
            if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
            if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
            return 0
        }
    }
}

/// Which part of an image resampled to which size: the rest is never computed.
struct ResamplingWindow {
    /// Columns and rows of the whole resampled image.
    let width: Int
    let height: Int
    /// The part wanted of them.
    let columns: Range<Int>
    let rows: Range<Int>

    init(width: Int, height: Int, x: Int, y: Int, cropWidth: Int, cropHeight: Int) {
        precondition(width > 0 && height > 0, "cannot resize to \(width)x\(height)")
        precondition(
            x >= 0 && y >= 0 && cropWidth > 0 && cropHeight > 0 && x + cropWidth <= width && y + cropHeight <= height,
            "crop \(cropWidth)x\(cropHeight) at (\(x), \(y)) leaves the resized image of \(width)x\(height)")
        self.width = width
        self.height = height
        columns = x..<x + cropWidth
        rows = y..<y + cropHeight
    }
}

extension RGBImage {
    /// The image resampled to `width`×`height`, as `PIL.Image.resize` does.
    public func resized(width: Int, height: Int, filter: ResamplingFilter) -> RGBImage {
        resized(width: width, height: height, filter: filter, x: 0, y: 0, cropWidth: width, cropHeight: height)
    }

    /// The part at column `x`, row `y` of the image resampled to `width`×`height`; the rest is never computed.
    package func resized(
        width: Int, height: Int, filter: ResamplingFilter, x: Int, y: Int, cropWidth: Int, cropHeight: Int
    ) -> RGBImage {
        let window = ResamplingWindow(width: width, height: height, x: x, y: y, cropWidth: cropWidth, cropHeight: cropHeight)
        return RGBImage(width: cropWidth, height: cropHeight) { target in
            let padded = PixelBuffer()
            padded.fill(from: self)
            Resampler().resample(padded.whole, to: window, filter, into: target)
        }
    }
}

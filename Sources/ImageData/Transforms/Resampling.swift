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

extension RGBImage {
    /// The image resampled to `width`×`height`, as `PIL.Image.resize` does.
    public func resized(width: Int, height: Int, filter: ResamplingFilter) -> RGBImage {
        resized(width: width, height: height, filter: filter, x: 0, y: 0, cropWidth: width, cropHeight: height)
    }

    /// The part at column `x`, row `y` of the image resampled to `width`×`height`; the rest is never computed.
    package func resized(
        width: Int, height: Int, filter: ResamplingFilter, x: Int, y: Int, cropWidth: Int, cropHeight: Int
    ) -> RGBImage {
        precondition(width > 0 && height > 0, "cannot resize to \(width)x\(height)")
        precondition(
            x >= 0 && y >= 0 && cropWidth > 0 && cropHeight > 0 && x + cropWidth <= width && y + cropHeight <= height,
            "crop \(cropWidth)x\(cropHeight) at (\(x), \(y)) leaves the resized image of \(width)x\(height)")
        // An axis that keeps its length is copied, as in Pillow.
        guard height != self.height else {
            let rows = cropped(x: 0, y: y, width: self.width, height: cropHeight)
            return rows.resampledHorizontally(to: width, filter, x..<x + cropWidth)
        }
        let vertical = ResamplingWeights(from: self.height, to: height, filter, outputs: y..<y + cropHeight)
        let needed = vertical.inputs
        let rows = cropped(x: 0, y: needed.lowerBound, width: self.width, height: needed.count)
        return rows.resampledHorizontally(to: width, filter, x..<x + cropWidth)
            .resampledVertically(vertical, firstRow: needed.lowerBound)
    }

    private func resampledHorizontally(to newWidth: Int, _ filter: ResamplingFilter, _ columns: Range<Int>) -> RGBImage {
        guard newWidth != width else { return cropped(x: columns.lowerBound, y: 0, width: columns.count, height: height) }
        let weights = ResamplingWeights(from: width, to: newWidth, filter, outputs: columns)
        return RGBImage(width: columns.count, height: height) { target in
            pixels.withUnsafeBufferPointer { source in
                for row in 0..<height {
                    ResamplingWeights.horizontal(
                        source.baseAddress! + row * width * 3, weights,  // an image has pixels
                        into: target.baseAddress! + row * columns.count * 3)
                }
            }
        }
    }

    private func resampledVertically(_ weights: ResamplingWeights, firstRow: Int) -> RGBImage {
        let stride = width * 3
        return RGBImage(width: width, height: weights.starts.count) { target in
            var sums = [Int32](repeating: 0, count: stride)
            pixels.withUnsafeBufferPointer { source in
                for (row, start) in weights.starts.enumerated() {
                    ResamplingWeights.vertical(
                        source.baseAddress! + (start - firstRow) * stride, stride: stride, weights, row: row, sums: &sums,
                        into: target.baseAddress! + row * stride)  // an image has pixels
                }
            }
        }
    }
}

/// The fixed-point weights of one axis: output i is the weighted sum of the inputs from `starts[i]` on.
struct ResamplingWeights {
    /// Bits behind the point: 32 less 8 for the sample and 2 for the overshoot of the cubic.
    static let precisionBits: Int32 = 32 - 8 - 2

    let starts: [Int]
    let counts: [Int]
    /// `[outputs, taps]`, zero beyond each output's count.
    let values: [Int32]
    let taps: Int

    /// Weights of the `outputs` part of an axis resampled from `size` to `newSize` samples.
    init(from size: Int, to newSize: Int, _ filter: ResamplingFilter, outputs: Range<Int>) {
        let scale = Double(size) / Double(newSize)
        let filterScale = max(scale, 1)
        let support = filter.support * filterScale
        let inverse = 1 / filterScale
        taps = Int(support.rounded(.up)) * 2 + 1
        var starts: [Int] = []
        var counts: [Int] = []
        var values = [Int32](repeating: 0, count: outputs.count * taps)
        var weights = [Double](repeating: 0, count: taps)
        for (row, output) in outputs.enumerated() {
            let center = (Double(output) + 0.5) * scale
            let first = max(Int(center - support + 0.5), 0)
            let count = min(Int(center + support + 0.5), size) - first
            var total = 0.0
            for tap in 0..<count {
                weights[tap] = filter.weight(at: (Double(tap + first) - center + 0.5) * inverse)
                total += weights[tap]
            }
            for tap in 0..<count {
                let weight = (total != 0 ? weights[tap] / total : weights[tap]) * Double(1 << Self.precisionBits)
                values[row * taps + tap] = Int32(weight < 0 ? weight - 0.5 : weight + 0.5)
            }
            starts.append(first)
            counts.append(count)
        }
        self.starts = starts
        self.counts = counts
        self.values = values
    }

    /// The inputs that the outputs touch.
    var inputs: Range<Int> {
        let end = zip(starts, counts).map { $0 + $1 }.max() ?? 0
        return (starts.min() ?? 0)..<end
    }

    @inline(__always)
    private static func rounded(_ sum: Int32) -> UInt8 { UInt8(max(0, min(255, sum >> precisionBits))) }

    /// One row of RGB pixels through the horizontal pass.
    fileprivate static func horizontal(
        _ source: UnsafePointer<UInt8>, _ weights: ResamplingWeights, into target: UnsafeMutablePointer<UInt8>
    ) {
        weights.values.withUnsafeBufferPointer { values in
            for column in 0..<weights.starts.count {
                var (red, green, blue) = (half, half, half)
                var sample = source + weights.starts[column] &* 3
                let row = column &* weights.taps
                for tap in 0..<weights.counts[column] {
                    let weight = values[row &+ tap]
                    red &+= Int32(sample[0]) &* weight
                    green &+= Int32(sample[1]) &* weight
                    blue &+= Int32(sample[2]) &* weight
                    sample += 3
                }
                target[column &* 3] = rounded(red)
                target[column &* 3 &+ 1] = rounded(green)
                target[column &* 3 &+ 2] = rounded(blue)
            }
        }
    }

    /// One output row of the vertical pass; `source` is the first input row of its filter.
    fileprivate static func vertical(
        _ source: UnsafePointer<UInt8>, stride: Int, _ weights: ResamplingWeights, row: Int, sums: inout [Int32],
        into target: UnsafeMutablePointer<UInt8>
    ) {
        sums.withUnsafeMutableBufferPointer { sums in
            let sums = sums.baseAddress!  // a row has samples
            for index in 0..<stride { sums[index] = half }
            for tap in 0..<weights.counts[row] {
                let weight = weights.values[row &* weights.taps &+ tap]
                let line = source + tap &* stride
                for index in 0..<stride { sums[index] &+= Int32(line[index]) &* weight }
            }
            for index in 0..<stride { target[index] = rounded(sums[index]) }
        }
    }

    private static let half: Int32 = 1 << (precisionBits - 1)
}

import ImageData

/// Pillow's resampling written down plainly, for comparison: one output sample at a time, every weight anew, sums of 64 bits, whole images only.
enum PillowDefinition {
    static func resized(_ image: RGBImage, width: Int, height: Int, filter: ResamplingFilter) -> RGBImage {
        var image = image
        if width != image.width {
            let old = image
            image = RGBImage(width: width, height: old.height, red: 0, green: 0, blue: 0)
            for x in 0..<width {
                let (first, weights) = weights(of: x, from: old.width, to: width, filter)
                for y in 0..<old.height { image[x, y] = sum(weights) { old[first + $0, y] } }
            }
        }
        if height != image.height {
            let old = image
            image = RGBImage(width: width, height: height, red: 0, green: 0, blue: 0)
            for y in 0..<height {
                let (first, weights) = weights(of: y, from: old.height, to: height, filter)
                for x in 0..<width { image[x, y] = sum(weights) { old[x, first + $0] } }
            }
        }
        return image
    }

    private static func sum(
        _ weights: [Int64], _ sample: (Int) -> (red: UInt8, green: UInt8, blue: UInt8)
    ) -> (UInt8, UInt8, UInt8) {
        var (red, green, blue) = (Int64(1 << 21), Int64(1 << 21), Int64(1 << 21))
        for (tap, weight) in weights.enumerated() {
            let sample = sample(tap)
            red += Int64(sample.red) * weight
            green += Int64(sample.green) * weight
            blue += Int64(sample.blue) * weight
        }
        func level(_ sum: Int64) -> UInt8 { UInt8(min(max(sum >> 22, 0), 255)) }
        return (level(red), level(green), level(blue))
    }

    /// The inputs of an output sample: the first one, and the weights of all with 22 bits behind the point.
    private static func weights(of output: Int, from size: Int, to newSize: Int, _ filter: ResamplingFilter) -> (Int, [Int64]) {
        let scale = Double(size) / Double(newSize)
        let support = (filter == .bilinear ? 1.0 : 2.0) * max(scale, 1)
        let center = (Double(output) + 0.5) * scale
        let first = max(Int(center - support + 0.5), 0)
        let last = min(Int(center + support + 0.5), size)
        var weights: [Double] = []
        for input in first..<last {
            let x = abs((Double(input) - center + 0.5) / max(scale, 1))
            if filter == .bilinear {
                weights.append(max(0, 1 - x))
            } else if x < 1 {
                weights.append((1.5 * x - 2.5) * x * x + 1)
            } else {
                weights.append(x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0)
            }
        }
        let total = weights.reduce(0, +)
        return (first, weights.map { Int64(($0 / total * 4_194_304).rounded(.toNearestOrAwayFromZero)) })
    }
}

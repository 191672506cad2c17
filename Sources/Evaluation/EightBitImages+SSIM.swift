import TensorCore

extension EightBitImages {
    /// Side of the windows.
    private static let window = 7
    /// (K₁·255)² and (K₂·255)².
    private static let stabiliser1 = 6.5025
    private static let stabiliser2 = 58.5225

    /// Whether the images are large enough for one window.
    public var fitsWindow: Bool { min(height, width) >= EightBitImages.window }

    /// The structural similarity of every image to the other set's, at most 1: scikit-image's defaults, that is uniform 7×7 windows that lie in the
    /// image whole, sample covariances, K₁ = 0.01, K₂ = 0.03, the mean over windows, then over channels. Images of at least 7×7 pixels.
    public func ssim(against other: EightBitImages, pool: ThreadPool) -> [Double] {
        requireSameShape(other)
        precondition(fitsWindow, "no 7x7 window fits into images of \(width)x\(height)")
        var channels = [Double](repeating: 0, count: count * 3)
        channels.withUnsafeMutableBufferPointer { channels in
            nonisolated(unsafe) let channels = channels
            pixels.withUnsafeBufferPointer { a in
                other.pixels.withUnsafeBufferPointer { b in
                    nonisolated(unsafe) let (a, b) = (a, b)
                    pool.parallel(count * 3) { index in
                        channels[index] = similarity(a, b, from: index / 3 * imageSize + index % 3)
                    }
                }
            }
        }
        return (0..<count).map { image in channels[(3 * image)..<(3 * image + 3)].reduce(0, +) / 3 }
    }

    /// The sums of a window, or of a column of one. Integers, so that sliding them leaves no error behind.
    private struct Sums {
        var (a, b) = (0, 0)
        var (aa, bb, ab) = (0, 0, 0)

        mutating func add(_ x: Int, _ y: Int, times sign: Int) {
            a += sign * x
            b += sign * y
            aa += sign * x * x
            bb += sign * y * y
            ab += sign * x * y
        }

        mutating func add(_ other: Sums, times sign: Int) {
            a += sign * other.a
            b += sign * other.b
            aa += sign * other.aa
            bb += sign * other.bb
            ab += sign * other.ab
        }

        /// The similarity of the window's two contents.
        var similarity: Double {
            let n = EightBitImages.window * EightBitImages.window
            let (meanA, meanB) = (Double(a) / Double(n), Double(b) / Double(n))
            func covariance(_ product: Int, _ x: Int, _ y: Int) -> Double { Double(n * product - x * y) / Double(n * (n - 1)) }
            let luminance = (2 * meanA * meanB + EightBitImages.stabiliser1) / (meanA * meanA + meanB * meanB + EightBitImages.stabiliser1)
            let variances = covariance(aa, a, a) + covariance(bb, b, b)
            return luminance * (2 * covariance(ab, a, b) + EightBitImages.stabiliser2) / (variances + EightBitImages.stabiliser2)
        }
    }

    /// The mean similarity over all windows of one channel, whose first value lies at `start`.
    private func similarity(_ first: UnsafeBufferPointer<UInt8>, _ second: UnsafeBufferPointer<UInt8>, from start: Int) -> Double {
        let window = EightBitImages.window
        var columns = [Sums](repeating: Sums(), count: width)
        func addRow(_ y: Int, times sign: Int) {
            for x in 0..<width {
                let i = start + (y * width + x) * 3
                columns[x].add(Int(first[i]), Int(second[i]), times: sign)
            }
        }
        for y in 0..<(window - 1) { addRow(y, times: 1) }
        var total = 0.0
        for bottom in (window - 1)..<height {
            addRow(bottom, times: 1)
            var sums = Sums()
            for x in 0..<(window - 1) { sums.add(columns[x], times: 1) }
            for right in (window - 1)..<width {
                sums.add(columns[right], times: 1)
                total += sums.similarity
                sums.add(columns[right - window + 1], times: -1)
            }
            addRow(bottom - window + 1, times: -1)
        }
        return total / Double((height - window + 1) * (width - window + 1))
    }
}

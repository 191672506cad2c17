/// Resamples one image after the other with the same memory. One thread at a time.
final class Resampler {
    /// Rows between the passes: RGB, columns of the window only.
    private let between = ScratchMemory()
    private let factors = ScratchMemory()
    private let sums = ScratchMemory()
    private let constants = ScratchMemory()

    /// The window of an image as 8-bit RGB, `[rows, columns, 3]` of the window.
    func resample(
        _ image: PixelRegion, to window: ResamplingWindow, _ filter: ResamplingFilter, into target: UnsafeMutableBufferPointer<UInt8>
    ) {
        passes(image, window, filter, target) { resampleColumns($0, stride: $1, weights: $2, taps: $3, sums: $4, count: $1, into: $5) }
    }

    /// The window of an image as floats, `[rows, columns, 3]` of the window: those of the 8-bit levels.
    func resample(
        _ image: PixelRegion, to window: ResamplingWindow, _ filter: ResamplingFilter, _ scaling: PixelScaling,
        into target: UnsafeMutableBufferPointer<Float>
    ) {
        switch scaling {
        case .symmetric:
            passes(image, window, filter, target) {
                resampleColumnsToFloats($0, stride: $1, weights: $2, taps: $3, sums: $4, count: $1, into: $5)
            }
        case .imageNet:
            let count = window.columns.count * 3
            let means = constants.reserve(Float.self, 2 * count)
            let deviations = means + count
            for k in 0..<count {
                means[k] = PixelScaling.imageNetMean[k % 3]
                deviations[k] = PixelScaling.imageNetDeviation[k % 3]
            }
            passes(image, window, filter, target) {
                resampleColumnsToFloats(
                    $0, stride: $1, weights: $2, taps: $3, sums: $4, count: $1, means: means, deviations: deviations, into: $5)
            }
        }
    }

    private typealias VerticalPass<Element> = (
        _ source: UnsafePointer<UInt8>, _ stride: Int, _ weights: UnsafePointer<Int32>, _ taps: Int, _ sums: UnsafeMutablePointer<Int32>,
        _ target: UnsafeMutablePointer<Element>
    ) -> Void

    private func passes<Element>(
        _ image: PixelRegion, _ window: ResamplingWindow, _ filter: ResamplingFilter, _ target: UnsafeMutableBufferPointer<Element>,
        _ verticalPass: VerticalPass<Element>
    ) {
        let stride = window.columns.count * 3
        precondition(
            target.count == window.rows.count * stride,
            "\(target.count) numbers are not \(window.columns.count)x\(window.rows.count) RGB pixels")
        guard let target = target.baseAddress else { return }
        let vertical = ResamplingWeights(from: image.height, to: window.height, filter, outputs: window.rows)
        let rows = vertical.inputs
        let source = UnsafePointer(horizontalPass(image, rows: rows, window, filter))
        let sums = sums.reserve(Int32.self, stride)
        vertical.values.withUnsafeBufferPointer { values in
            guard let values = values.baseAddress else { return }
            for (row, start) in vertical.starts.enumerated() {
                verticalPass(
                    source + (start - rows.lowerBound) * stride, stride, values + row * vertical.taps, vertical.taps, sums,
                    target + row * stride)
            }
        }
    }

    /// The window's columns of some rows of an image: `[rows, columns, 3]`.
    private func horizontalPass(
        _ image: PixelRegion, rows: Range<Int>, _ window: ResamplingWindow, _ filter: ResamplingFilter
    ) -> UnsafeMutablePointer<UInt8> {
        let weights = ResamplingWeights(from: image.width, to: window.width, filter, outputs: window.columns)
        let columns = window.columns.count
        let pairs = (weights.taps + 1) / 2
        // An odd number of taps is filled up with a weight of zero for whatever follows.
        precondition(
            image.width >= weights.taps && (pairs * 2 - weights.taps) * 4 <= PixelBuffer.padding,
            "\(weights.taps) taps in a row of \(image.width) pixels")
        let eightfold = factors.reserve(Int32.self, columns * pairs * 8)
        for column in 0..<columns {
            for tap in 0..<pairs * 2 {
                let weight = tap < weights.taps ? weights.values[column * weights.taps + tap] : 0
                let place = eightfold + (column * pairs * 2 + tap) * 4
                for lane in 0..<4 { place[lane] = weight }
            }
        }
        let starts = weights.starts.map { Int32($0 * 4) }
        let target = between.reserve(UInt8.self, rows.count * columns * 3 + 1)
        starts.withUnsafeBufferPointer { starts in
            guard let starts = starts.baseAddress else { return }
            for (position, row) in rows.enumerated() {
                resampleRow(
                    image.row(row), starts: starts, weights: eightfold, pairs: pairs, columns: columns,
                    into: target + position * columns * 3)
            }
        }
        return target
    }
}

/// The fixed-point weights of one axis: output i is the weighted sum of the `taps` inputs from `starts[i]` on.
struct ResamplingWeights {
    /// Bits behind the point: 32 less 8 for the sample and 2 for the overshoot of the cubic.
    static let precisionBits: Int32 = 32 - 8 - 2

    let starts: [Int]
    /// `[outputs, taps]`; zero where an output needs fewer inputs.
    let values: [Int32]
    /// Inputs an output is made of, the same for all: the most that one of them needs. At most the size of the axis.
    let taps: Int

    /// Weights of the `outputs` part of an axis resampled from `size` to `newSize` samples. An axis that keeps its length gets a single
    /// weight of one: it is copied, as in Pillow.
    init(from size: Int, to newSize: Int, _ filter: ResamplingFilter, outputs: Range<Int>) {
        let scale = Double(size) / Double(newSize)
        let filterScale = max(scale, 1)
        let support = filter.support * filterScale
        let inverse = 1 / filterScale
        let largest = Int(support.rounded(.up)) * 2 + 1
        var weights = [Double](repeating: 0, count: largest)
        // Row by row as wide as the definition allows; what the rows really need is known at the end.
        var loose = [Int32](repeating: 0, count: outputs.count * largest)
        var starts = [Int](repeating: 0, count: outputs.count)
        var taps = 1
        for (row, output) in outputs.enumerated() {
            let center = (Double(output) + 0.5) * scale
            let first = max(Int(center - support + 0.5), 0)
            let count = min(Int(center + support + 0.5), size) - first
            var total = 0.0
            for tap in 0..<count {
                weights[tap] = filter.weight(at: (Double(tap + first) - center + 0.5) * inverse)
                total += weights[tap]
            }
            var (leading, used) = (0, 0)
            for tap in 0..<count {
                let weight = (total != 0 ? weights[tap] / total : weights[tap]) * Double(1 << Self.precisionBits)
                let rounded = Int32(weight < 0 ? weight - 0.5 : weight + 0.5)
                if rounded == 0 && tap == leading { leading += 1 }
                if rounded != 0 { used = tap + 1 - leading }
                if tap >= leading { loose[row * largest + tap - leading] = rounded }
            }
            starts[row] = first + leading
            taps = max(taps, used)
        }
        // At the end of the axis the taps are counted from the last input backwards, so that none lies behind it.
        var values = [Int32](repeating: 0, count: outputs.count * taps)
        for row in 0..<outputs.count {
            let shift = max(0, starts[row] + taps - size)
            for tap in shift..<taps { values[row * taps + tap] = loose[row * largest + tap - shift] }
            starts[row] -= shift
        }
        self.starts = starts
        self.values = values
        self.taps = taps
    }

    /// The inputs that the outputs touch.
    var inputs: Range<Int> { (starts.min() ?? 0)..<(starts.max() ?? 0) + taps }
}

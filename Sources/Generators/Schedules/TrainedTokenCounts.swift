import TensorCore
#if canImport(Glibc)
import Glibc
#endif

/// The kept-token counts K that a MergeAR generator is trained with, how often, and their merge ids (stage2 2.4): consecutive squares.
public struct TrainedTokenCounts: Sendable, Equatable {
    public enum Weighting: Sendable, Hashable {
        /// The official code's: p_i ∝ 2e^(−2i) + 0.1 over ascending counts, most often the smallest.
        case code
        /// Eq. 15, truncated: p ∝ e^(−λT) over descending counts, most often the largest.
        case eq15(rate: Double)
    }

    /// The counts, ascending.
    public let counts: [Int]
    /// Their probabilities.
    public let probabilities: [Double]

    /// The G+R tokenizer's counts, 144 to 256, by the official code's weights.
    public static let gPlusR = TrainedTokenCounts(sides: 12...16, weights: codeWeights(5))
    /// The G tokenizer's counts, 256 to 1024, by the official code's weights.
    public static let g = TrainedTokenCounts(sides: 16...32, weights: codeWeights(17))

    /// All squares from one count to another.
    /// - Throws: `SamplingError` when a bound is no square, they are not in order, or the rate is not above 0.
    public init(smallest: Int, largest: Int, _ weighting: Weighting = .code) throws(SamplingError) {
        guard let low = squareRoot(of: smallest), let high = squareRoot(of: largest), low <= high else {
            throw .keptTokenBounds(smallest: smallest, largest: largest)
        }
        let count = high - low + 1
        switch weighting {
        case .code:
            self.init(sides: low...high, weights: Self.codeWeights(count))
        case .eq15(let rate):
            guard rate > 0, rate.isFinite else { throw .rate(rate) }
            self.init(sides: low...high, weights: (0..<count).map { exp(-rate * Double(count - 1 - $0)) })
        }
    }

    private init(sides: ClosedRange<Int>, weights: [Double]) {
        counts = sides.map { $0 * $0 }
        let total = weights.reduce(0, +)
        probabilities = weights.map { $0 / total }
    }

    private static func codeWeights(_ count: Int) -> [Double] { (0..<count).map { 2 * exp(-2 * Double($0)) + 0.1 } }

    /// The mean count.
    public var mean: Double { zip(counts, probabilities).reduce(0) { $0 + Double($1.0) * $1.1 } }

    /// The count of a uniform number in [0, 1): the first at which the running sum of the probabilities is above it.
    public func count(at uniform: Double) -> Int {
        precondition(uniform >= 0 && uniform < 1, "\(uniform) is outside [0, 1)")
        var sum = 0.0
        for (count, probability) in zip(counts, probabilities) {
            sum += probability
            if sum > uniform { return count }
        }
        return counts[counts.count - 1]
    }

    /// The count of a training step, or of one sample of it: a function of these numbers alone.
    public func count(seed: UInt64, step: Int, sample: Int = 0) -> Int {
        count(at: Philox(seed: seed, domain: "kept tokens of the generator").uniform(step: step, sample: sample))
    }

    /// The merge id of a count, whole for the trained ones: √K − √K_min, not below 0 nor above the last row of the table.
    public func mergeID(of count: Int) -> Double {
        precondition(count >= 1, "no merge id for \(count) tokens")
        let id = Double(count).squareRoot() - Double(counts[0]).squareRoot()
        return min(max(id, 0), Double(counts.count - 1))
    }

    /// Where a merge id lies in the table of merge embeddings.
    public func row(of mergeID: Double) -> InterpolatedRow { InterpolatedRow(mergeID, rows: counts.count) }
}

/// A place between the rows of a table: (1 − share)·row[lower] + share·row[upper].
public struct InterpolatedRow: Sendable, Equatable {
    public let lower: Int
    public let upper: Int
    /// The share of the upper row, in [0, 1).
    public let share: Double

    /// A fractional index into a table, which is held within it.
    public init(_ index: Double, rows: Int) {
        precondition(rows >= 1 && !index.isNaN, "no row \(index) of \(rows)")
        let held = min(max(index, 0), Double(rows - 1))
        lower = Int(held)
        upper = min(lower + 1, rows - 1)
        share = held - Double(lower)
    }
}

/// The whole square root of a square of at least 1; nil for other numbers.
func squareRoot(of square: Int) -> Int? {
    guard square >= 1 else { return nil }
    let root = Int(Double(square).squareRoot().rounded())
    return root.multipliedReportingOverflow(by: root) == (square, false) ? root : nil
}

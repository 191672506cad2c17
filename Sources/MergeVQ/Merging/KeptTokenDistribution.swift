#if canImport(Glibc)
import Glibc
#endif

/// The distribution of the kept-token count K over training steps (eq. 15, 16; spec 1.1): candidates are consecutive squares around the
/// target.
public struct KeptTokenDistribution: Sendable, Equatable {
    public enum Shape: String, Sendable, CaseIterable {
        /// Most weight on the second candidate, the target; the first is one square below it.
        case gaussian
        /// Most weight on the first candidate, the target.
        case exponential
        case uniform
    }

    /// Kept-token counts, ascending.
    public let candidates: [Int]
    /// Their probabilities.
    public let probabilities: [Double]
    /// Running sums of the probabilities, rounded to five decimals as in the official code.
    public let cumulative: [Double]

    /// - Parameters:
    ///   - target: the count aimed at, K₀; candidates are ⌊(√K₀ + i − b)²⌋ with b = 1 for Gaussian, else 0.
    ///   - count: how many candidates.
    public init(shape: Shape, target: Int, count: Int) {
        precondition(count >= 1 && target >= 1, "a distribution needs candidates, not \(count) around \(target)")
        let offset = shape == .gaussian ? 1.0 : 0.0
        let root = Double(target).squareRoot()
        candidates = (0..<count).map { i in
            let side = root + Double(i) - offset
            // A square that falls short of its whole number by round-off is that number.
            return Int((side * side + 1e-9).rounded(.down))
        }
        let weights = (0..<count).map { i -> Double in
            switch shape {
            case .gaussian: return exp(-Double((i - 1) * (i - 1)) / (2 * 0.5 * 0.5)) + 0.05
            case .exponential: return 2 * exp(-2 * Double(i)) + 0.1
            case .uniform: return 1
            }
        }
        let total = weights.reduce(0, +)
        probabilities = weights.map { $0 / total }
        var sum = 0.0
        cumulative = probabilities.map { p in
            sum += p
            return (sum * 1e5).rounded() / 1e5
        }
    }

    /// The candidate of a uniform number in [0, 1): the first whose cumulative probability reaches it.
    public func keptTokens(at uniform: Double) -> Int {
        candidates[cumulative.firstIndex { $0 >= uniform } ?? candidates.count - 1]
    }
}

#if canImport(Glibc)
import Glibc
#endif

/// How many tokens each call of RandAR's parallel decoding makes (stage2 3.3).
///
/// The first call makes one. After inner step t = 1, 2, … there are min(⌊N·f((t + 1)/T) + 1⌋, N) of N, but at least one more than before.
public enum ParallelSchedule: String, Sendable, CaseIterable {
    /// f(r) = 1 − cos(πr/2), RandAR's code: slowly first, its largest steps are small.
    case randar
    /// f(r) = 1 − (2/π)·arccos(r), the paper's: its last step is large.
    case arccos

    /// The tokens of each call; they sum to `tokens`.
    /// - Parameters:
    ///   - tokens: N, at least 1.
    ///   - steps: T, at least 1. There are so many calls, or `tokens` where that is less. Two is the least for more than one token: the first call
    ///     makes one whatever T is.
    /// - Throws: `SamplingError.decoding`.
    public func counts(tokens: Int, steps: Int) throws(SamplingError) -> [Int] {
        guard tokens >= 1, steps >= 1 else { throw .decoding(tokens: tokens, steps: steps) }
        var counts = [1]
        var decoded = 1
        var step = 1
        while decoded < tokens {
            let count = min(max(target(step, tokens, steps) - decoded, 1), tokens - decoded)
            counts.append(count)
            decoded += count
            step += 1
        }
        return counts
    }

    /// The tokens there should be after an inner step. Where N·f + 1 is whole the floor depends on the last bit, so that each formula is evaluated
    /// in one stated way: RandAR's in the order of its code, the paper's as in exact arithmetic.
    private func target(_ step: Int, _ tokens: Int, _ steps: Int) -> Int {
        let count = Double(tokens)
        let exact: Double
        switch self {
        case .randar: exact = (1 - cos(.pi / 2 * Double(step + 1) / Double(steps))) * count + 1
        case .arccos: exact = (1 - acos(min(Double(step + 1) / Double(steps), 1)) * 2 / .pi) * count + 1 + 1e-9
        }
        return min(Int(exact.rounded(.down)), tokens)
    }
}

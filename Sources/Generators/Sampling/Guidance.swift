#if canImport(Glibc)
import Glibc
#endif

/// Classifier-free guidance: which logits the conditional and the null branch give together (stage2 1.8).
public enum Guidance {
    /// ℓ = ℓ_null + s·(ℓ_cond − ℓ_null). A scale of 1 is the conditional logits themselves, to the bit: the null branch need not run.
    public static func combined(conditional: [Float], null: [Float], scale: Double) -> [Float] {
        precondition(conditional.count == null.count, "\(conditional.count) and \(null.count) logits")
        if scale == 1 { return conditional }
        let scale = Float(scale)
        return conditional.indices.map { null[$0] + scale * (conditional[$0] - null[$0]) }
    }

    /// `combined`, over the conditional logits.
    package static func combine(_ conditional: UnsafeMutableBufferPointer<Float>, null: UnsafeBufferPointer<Float>, scale: Double) {
        let scale = Float(scale)
        for i in conditional.indices { conditional[i] = null[i] + scale * (conditional[i] - null[i]) }
    }
}

/// The guidance scale over the tokens of an image. Scales are finite; 1 is no guidance.
public enum GuidanceSchedule: Sendable, Hashable {
    case constant(Double)
    /// From the first scale, at the first token, straight towards the second, which would be reached after the last.
    case linear(from: Double, to: Double)
    /// The scale up to an index that counts the steps after the prefill; none thereafter. The prefill's token, the first of the image, is always
    /// guided, and the second has index 0.
    case interval(Double, through: Int)
    /// As `linear`, with the share of the decoded tokens r replaced by (1 − cos πr)/2. For comparisons only.
    case cosine(from: Double, to: Double)
    /// As `linear`, with the share of the decoded tokens r replaced by r^exponent. For comparisons only.
    case power(from: Double, to: Double, exponent: Double)

    /// The scale for the tokens of a step.
    /// - Parameters:
    ///   - decoded: the image's tokens that exist when the step begins, in `0..<total`.
    ///   - total: all tokens of an image, at least 1.
    public func scale(decoded: Int, of total: Int) -> Double {
        precondition(decoded >= 0 && decoded < total, "\(decoded) tokens of \(total)")
        let share = Double(decoded) / Double(total)
        switch self {
        case .constant(let scale): return scale
        case .linear(let from, let to): return from + (to - from) * share
        case .interval(let scale, let last): return decoded == 0 || decoded - 1 <= last ? scale : 1
        case .cosine(let from, let to): return from + (to - from) * (1 - cos(.pi * share)) / 2
        case .power(let from, let to, let exponent): return from + (to - from) * pow(share, exponent)
        }
    }

    /// Whether any token of an image is guided, so that the null branch has to run and needs a cache.
    public func guides(anyOf total: Int) -> Bool {
        (0..<total).contains { scale(decoded: $0, of: total) != 1 }
    }

    /// - Throws: `SamplingError` for a scale that is not finite, or an exponent that is not a finite number above 0.
    public func validate() throws(SamplingError) {
        let scales: [Double]
        switch self {
        case .constant(let scale), .interval(let scale, _): scales = [scale]
        case .linear(let from, let to), .cosine(let from, let to): scales = [from, to]
        case .power(let from, let to, let exponent):
            guard exponent > 0, exponent.isFinite else { throw .guidanceExponent(exponent) }
            scales = [from, to]
        }
        for scale in scales where !scale.isFinite { throw .guidanceScale(scale) }
    }
}

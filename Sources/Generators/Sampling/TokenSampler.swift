#if canImport(Glibc)
import Glibc
#endif

/// Which tokens may be drawn, and how likely (stage2 1.8): temperature, then top-k, then top-p, then softmax, all in double.
///
/// ```swift
/// let sampler = try TokenSampler(temperature: 0.9, topK: 600, topP: 0.95)
/// let token = try sampler.distribution(logits).token(at: draws.uniform(image: 3, token: 0, subToken: 0))
/// ```
public struct TokenSampler: Sendable, Hashable {
    /// Logits are divided by this, or by 1e-5 where it is less: 0 draws the largest.
    public let temperature: Double
    /// Only logits that are not below the k-th largest stay, so that ties survive; 0 keeps all.
    public let topK: Int
    /// An entry goes when those before it, in descending order, have together more than this share already; 1 keeps all.
    public let topP: Double

    /// - Throws: `SamplingError` for a temperature below 0, a negative k, a p outside (0, 1].
    public init(temperature: Double = 1, topK: Int = 0, topP: Double = 1) throws(SamplingError) {
        guard temperature >= 0, temperature.isFinite else { throw .temperature(temperature) }
        guard topK >= 0 else { throw .topK(topK) }
        guard topP > 0, topP <= 1 else { throw .topP(topP) }
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
    }

    /// The distribution of one token, from its logits. Logits of −∞ are never drawn.
    /// - Throws: `SamplingError.unusableLogits` when one is NaN or +∞, or all are −∞.
    public func distribution(_ logits: [Float]) throws(SamplingError) -> TokenDistribution {
        var largest = -Float.infinity
        for logit in logits {
            guard logit < .infinity else { throw .unusableLogits }
            largest = max(largest, logit)
        }
        guard largest > -.infinity else { throw .unusableLogits }

        var kept = logits.map { $0 > -.infinity }
        if topK > 0, topK < logits.count {
            let smallestKept = logits.sorted(by: >)[topK - 1]
            for i in logits.indices where logits[i] < smallestKept { kept[i] = false }
        }
        let divisor = max(temperature, 1e-5)
        let weights = logits.indices.map { kept[$0] ? exp((Double(logits[$0]) - Double(largest)) / divisor) : 0 }
        if topP < 1 {
            let total = weights.reduce(0, +)
            // Equal logits: the lower index first, so that the cut is the same on every machine.
            let descending = logits.indices.filter { kept[$0] }.sorted { (logits[$0], $1) > (logits[$1], $0) }
            var before = 0.0
            for i in descending {
                if before > topP { kept[i] = false }
                before += weights[i] / total
            }
        }
        return TokenDistribution(weights: weights, kept: kept)
    }

    /// `distribution(logits).token(at: u)`, without arrays where neither k nor p leaves anything out.
    /// - Throws: `SamplingError.unusableLogits`.
    package func token(of logits: UnsafeBufferPointer<Float>, at u: Double) throws(SamplingError) -> Int {
        guard topK == 0 || topK >= logits.count, topP == 1 else { return try distribution(Array(logits)).token(at: u) }
        var largest = -Float.infinity
        var isUsable = true
        for logit in logits {
            isUsable = isUsable && logit < .infinity
            largest = max(largest, logit)
        }
        guard isUsable, largest > -.infinity else { throw .unusableLogits }
        let divisor = max(temperature, 1e-5)
        return withUnsafeTemporaryAllocation(of: Double.self, capacity: logits.count) { weights in
            var total = 0.0
            for i in logits.indices {
                weights[i] = exp((Double(logits[i]) - Double(largest)) / divisor)
                total += weights[i]
            }
            var sum = 0.0
            for i in logits.indices {
                sum += weights[i] / total
                if sum > u { return i }
            }
            return logits.lastIndex { $0 > -.infinity } ?? 0
        }
    }
}

/// The probabilities of a token's values, of which some are left out.
public struct TokenDistribution: Sendable {
    /// One a value; 0 for those left out.
    public let probabilities: [Double]
    /// Which values are left. A value whose probability has vanished in round-off is not left out.
    public let kept: [Bool]

    /// Weights of which only the kept ones count; at least one is above zero.
    init(weights: [Double], kept: [Bool]) {
        let total = weights.indices.reduce(0.0) { kept[$1] ? $0 + weights[$1] : $0 }
        probabilities = weights.indices.map { kept[$0] ? weights[$0] / total : 0 }
        self.kept = kept
    }

    /// The value of a uniform number u in [0, 1): the first, by index, at which the running sum of the probabilities is above u. Where round-off
    /// leaves none, the last kept one.
    public func token(at u: Double) -> Int {
        precondition(u >= 0 && u < 1, "\(u) is outside [0, 1)")
        var sum = 0.0
        for i in probabilities.indices {
            sum += probabilities[i]
            if sum > u { return i }
        }
        return kept.lastIndex(of: true)!  // one is always kept: the largest
    }

    /// The likeliest value, of equal ones the first: greedy decoding.
    public var mostLikely: Int {
        probabilities.indices.dropFirst().reduce(0) { probabilities[$1] > probabilities[$0] ? $1 : $0 }
    }
}

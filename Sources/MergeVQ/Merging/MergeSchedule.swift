/// How many tokens each attention block merges so that `kept` of `length` image tokens remain (spec 1.2).
public enum MergeSchedule: String, Sendable, CaseIterable {
    /// A ramp from 1.5 r to 0.5 r, the remainder in the first layer: what the official code does and the paper's FLOPs agree with.
    case linear
    /// Proportional to (N − l)², the paper's wording.
    case square

    /// The counts r_1 … r_N; their sum is `length − kept`.
    public func mergeCounts(length: Int, kept: Int, layers: Int) -> [Int] {
        precondition(kept >= 1 && kept <= length && layers >= 1, "cannot keep \(kept) of \(length) tokens over \(layers) layers")
        let merged = length - kept
        switch self {
        case .linear: return MergeSchedule.linearCounts(merged, layers)
        case .square: return MergeSchedule.squareCounts(merged, layers)
        }
    }

    /// The ramp of base r: trunc(lo + l·(hi − lo)/(N − 1)) with lo = trunc(1.5 r), hi = 2r − lo, in double precision as the official code.
    private static func ramp(_ base: Int, _ layers: Int) -> [Int] {
        let low = Int(Double(base) * 1.5)
        let high = 2 * base - low
        guard layers > 1 else { return [low] }
        let step = Double(high - low) / Double(layers - 1)
        return (0..<layers).map { Int(Double(low) + step * Double($0)) }
    }

    private static func linearCounts(_ merged: Int, _ layers: Int) -> [Int] {
        var best = ramp(0, layers)
        var bestGap = merged
        for base in 1..<max(merged, 1) {
            let candidate = ramp(base, layers)
            let gap = abs(merged - candidate.reduce(0, +))
            if gap > bestGap { break }
            if gap < bestGap { (best, bestGap) = (candidate, gap) }
        }
        best[0] += merged - best.reduce(0, +)
        var layer = 0
        while best[layer] < 0 {  // never with the presets: the first layer cannot merge fewer than no tokens
            best[layer + 1] += best[layer]
            best[layer] = 0
            layer += 1
        }
        return best
    }

    private static func squareCounts(_ merged: Int, _ layers: Int) -> [Int] {
        let weights = (0..<layers).map { Double((layers - $0) * (layers - $0)) }
        let total = weights.reduce(0, +)
        var counts: [Int] = []
        var running = 0.0
        var given = 0
        for weight in weights {
            running += weight
            let upTo = Int((Double(merged) * running / total + 0.5).rounded(.down))
            counts.append(upTo - given)
            given = upTo
        }
        return counts
    }

    /// The counts that a sequence of `length` image tokens really allows: in every layer at most ⌊(t − 1)/2⌋ of t tokens, class token included.
    public static func capped(_ counts: [Int], length: Int) -> [Int] {
        var current = length + 1
        return counts.map { count in
            let applied = max(0, min(count, (current - 1) / 2))
            current -= applied
            return applied
        }
    }
}

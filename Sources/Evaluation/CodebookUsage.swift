import Foundation

/// Counts which codes occur, over any number of images (spec 3.5).
public struct CodebookUsage: Sendable {
    /// Bits of a code; the codebook has 2^bits codes.
    public let bits: Int
    /// Codes seen.
    public private(set) var tokens = 0
    private var counts: [Int32: Int] = [:]

    public init(bits: Int) {
        precondition(bits >= 1 && bits <= 30, "\(bits) bits: the codebook must have 2 to 2^30 codes")
        self.bits = bits
    }

    /// Counts the codes of some tokens.
    public mutating func add(_ codes: [Int32]) {
        for code in codes {
            precondition(code >= 0 && Int(code) < 1 << bits, "code \(code) in a codebook of \(1 << bits)")
            counts[code, default: 0] += 1
        }
        tokens += codes.count
    }

    /// Different codes seen.
    public var distinct: Int { counts.count }
    /// The share of the codebook that occurs.
    public var usage: Double { Double(distinct) / Double(1 << bits) }
    /// Different codes as a share of what so many tokens could show: the codebook or one code a token, whichever is less. Comparable between sets
    /// of few images.
    public var usageOfPossible: Double { tokens == 0 ? 0 : Double(distinct) / Double(min(1 << bits, tokens)) }

    /// The entropy of the codes' frequencies, in bits.
    public var entropy: Double {
        // Rarest first, equal frequencies together: sums that do not depend on the dictionary's order.
        let frequencies = counts.values.sorted()
        return frequencies.reduce(0.0) { sum, count in
            let p = Double(count) / Double(tokens)
            return sum - p * log2(p)
        }
    }

    /// 2^entropy: how many equally frequent codes would be as informative; 1 to `distinct`.
    public var perplexity: Double { exp2(entropy) }

    /// The entropy of each bit by itself, in bits, least significant first: 1 where it is set in half of the tokens.
    public var entropyOfBits: [Double] {
        (0..<bits).map { bit in
            let set = counts.reduce(0) { $0 + ($1.key >> Int32(bit) & 1 == 1 ? $1.value : 0) }
            return [set, tokens - set].reduce(0.0) { sum, count in
                guard count > 0 else { return sum }
                let p = Double(count) / Double(tokens)
                return sum - p * log2(p)
            }
        }
    }
}

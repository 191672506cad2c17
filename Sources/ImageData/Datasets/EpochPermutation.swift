import TensorCore

/// A random order of the samples of one epoch, computed position by position in constant memory.
///
/// A balanced four-round Feistel network permutes the 2h-bit words, h = ⌈⌈log₂ N⌉ / 2⌉; a word outside 0..<N is permuted
/// again until it falls inside (cycle walking, fewer than four rounds on average). Both steps are bijections whatever the
/// round function, here Philox keyed by (seed, "epoch-permutation") at (epoch, half word, round).
///
/// ```swift
/// let order = EpochPermutation(count: folder.count, seed: 1, epoch: 7)
/// let sample = order(position)
/// ```
public struct EpochPermutation: Sendable {
    /// Number of samples, at least 1.
    public let count: Int
    /// The epoch, at least 0.
    public let epoch: Int
    private let random: Philox
    private let halfBits: UInt64

    public init(count: Int, seed: UInt64, epoch: Int) {
        precondition(count > 0, "no order of \(count) samples")
        precondition(epoch >= 0, "epoch \(epoch) is negative")
        self.count = count
        self.epoch = epoch
        random = Philox(seed: seed, domain: "epoch-permutation")
        let bits = Int.bitWidth - (count - 1).leadingZeroBitCount
        halfBits = UInt64((bits + 1) / 2)
    }

    /// The sample id at `position`, both in `0..<count`.
    public func callAsFunction(_ position: Int) -> Int {
        precondition(position >= 0 && position < count, "no position \(position) among \(count) samples")
        guard count > 1 else { return 0 }
        var word = UInt64(position)
        repeat { word = permuted(word) } while word >= UInt64(count)
        return Int(word)
    }

    /// A bijection of the words of 2·halfBits bits.
    private func permuted(_ word: UInt64) -> UInt64 {
        let mask = (UInt64(1) << halfBits) - 1
        var left = word >> halfBits
        var right = word & mask
        for round in 0..<4 {
            let mixed = random.bits(step: epoch, sample: Int(right), draw: round) & mask
            (left, right) = (right, left ^ mixed)
        }
        return left << halfBits | right
    }
}

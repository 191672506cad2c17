import Kernels

/// Philox4x32-10, a counter-based random number generator (Salmon et al., SC 2011): every number is a function of
/// (seed, domain, step, sample, draw), so there is no generator state to save, share or lose.
public struct Philox: Sendable {
    private let key0: UInt32
    private let key1: UInt32

    /// - Parameters:
    ///   - seed: the run's seed.
    ///   - domain: what the numbers are for, e.g. `"merge-ratio"`; different domains are independent streams.
    public init(seed: UInt64, domain: String) {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in domain.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        let mixed = Philox.mix(seed ^ Philox.mix(hash))
        key0 = UInt32(truncatingIfNeeded: mixed)
        key1 = UInt32(truncatingIfNeeded: mixed >> 32)
    }

    /// A generator with the raw 64-bit key of the published algorithm.
    package init(key0: UInt32, key1: UInt32) {
        self.key0 = key0
        self.key1 = key1
    }

    /// The splitmix64 finaliser: a bijection of 64-bit words that spreads every bit.
    public static func mix(_ word: UInt64) -> UInt64 {
        var z = word &+ 0x9e37_79b9_7f4a_7c15
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    /// The four words of one 128-bit counter.
    public func block(_ c0: UInt32, _ c1: UInt32, _ c2: UInt32, _ c3: UInt32) -> (UInt32, UInt32, UInt32, UInt32) {
        var (x0, x1, x2, x3) = (c0, c1, c2, c3)
        var (k0, k1) = (key0, key1)
        for _ in 0..<10 {
            let product0 = UInt64(0xD251_1F53) &* UInt64(x0)
            let product1 = UInt64(0xCD9E_8D57) &* UInt64(x2)
            (x0, x1, x2, x3) = (
                UInt32(truncatingIfNeeded: product1 >> 32) ^ x1 ^ k0, UInt32(truncatingIfNeeded: product1),
                UInt32(truncatingIfNeeded: product0 >> 32) ^ x3 ^ k1, UInt32(truncatingIfNeeded: product0)
            )
            k0 = k0 &+ 0x9E37_79B9
            k1 = k1 &+ 0xBB67_AE85
        }
        return (x0, x1, x2, x3)
    }

    /// 128 random bits. `step` and `sample` may use 48 bits each, `draw` 32.
    public func words(step: Int = 0, sample: Int = 0, draw: Int = 0) -> (UInt32, UInt32, UInt32, UInt32) {
        block(
            UInt32(truncatingIfNeeded: draw), UInt32(truncatingIfNeeded: step), UInt32(truncatingIfNeeded: sample),
            Philox.highBits(step: step, sample: sample))
    }

    /// Factors of dropout from the words of `draws` draws, four each: 0 where a word is below `threshold`, else `kept`.
    func dropoutFactors(
        step: Int, sample: Int, firstDraw: Int, threshold: UInt32, kept: Float, into out: UnsafeMutablePointer<Float>, draws: Int
    ) {
        Kernels.dropoutFactors(
            key0: key0, key1: key1, firstDraw: UInt32(truncatingIfNeeded: firstDraw), c1: UInt32(truncatingIfNeeded: step),
            c2: UInt32(truncatingIfNeeded: sample), c3: Philox.highBits(step: step, sample: sample), threshold: threshold, kept: kept, into: out,
            draws: draws)
    }

    private static func highBits(step: Int, sample: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: (step >> 32) & 0xFFFF) | UInt32(truncatingIfNeeded: (sample >> 32) & 0xFFFF) << 16
    }

    /// 64 random bits. `step` and `sample` may use 48 bits each, `draw` 32.
    public func bits(step: Int = 0, sample: Int = 0, draw: Int = 0) -> UInt64 {
        let words = words(step: step, sample: sample, draw: draw)
        return UInt64(words.0) << 32 | UInt64(words.1)
    }

    /// A number in [0, 1) with 53 random bits.
    public func uniform(step: Int = 0, sample: Int = 0, draw: Int = 0) -> Double {
        Double(bits(step: step, sample: sample, draw: draw) >> 11) * 0x1p-53
    }

    /// An integer in `0..<count`, unbiased up to 2⁻⁶⁴·count (multiply-shift).
    public func integer(below count: Int, step: Int = 0, sample: Int = 0, draw: Int = 0) -> Int {
        precondition(count > 0, "no integer below \(count)")
        return Int(bits(step: step, sample: sample, draw: draw).multipliedFullWidth(by: UInt64(count)).high)
    }
}

/// How a token's code, the joint index of its bits, is divided into two sub-tokens with tables of their own (stage2 1.2).
///
/// Bit j of a token is 1 where channel j is above zero; code = Σ bit_j·2^j. The first sub-token `pre` holds the low bits, `post` the others:
/// code = pre + 2^preBits·post.
public struct TokenFactors: Sendable, Hashable {
    /// Bits of the first sub-token, the low ones.
    public let preBits: Int
    /// Bits of the second sub-token.
    public let postBits: Int

    /// MergeVQ's 18 bits: 6 and 12.
    public static let mergeVQ = TokenFactors(preBits: 6, postBits: 12)

    /// - Parameters:
    ///   - preBits: at least 1.
    ///   - postBits: at least 1; codes are kept in 32 bits, so that both have at most 30 together.
    public init(preBits: Int, postBits: Int) {
        precondition(preBits >= 1 && postBits >= 1 && preBits + postBits <= 30, "no tokens of \(preBits) + \(postBits) bits")
        self.preBits = preBits
        self.postBits = postBits
    }

    /// Bits, and so channels, of a token.
    public var bits: Int { preBits + postBits }
    /// Different first sub-tokens.
    public var preCount: Int { 1 << preBits }
    /// Different second sub-tokens.
    public var postCount: Int { 1 << postBits }
    /// Different codes.
    public var codeCount: Int { 1 << bits }

    /// The sub-tokens of a code.
    public func split(_ code: Int32) -> (pre: Int, post: Int) {
        check(code)
        return (Int(code) & (preCount - 1), Int(code) >> preBits)
    }

    /// The code of two sub-tokens.
    public func join(pre: Int, post: Int) -> Int32 {
        precondition(pre >= 0 && pre < preCount && post >= 0 && post < postCount, "no token (\(pre), \(post)) of \(preBits) + \(postBits) bits")
        return Int32(pre | post << preBits)
    }

    /// The code of a token's channels, `bits` values: a bit is set where the value is above zero. Zero, of either sign, and NaN clear it.
    public func code(of channels: some Collection<Float>) -> Int32 {
        precondition(channels.count == bits, "\(channels.count) channels of a token of \(bits) bits")
        var code: Int32 = 0
        for (bit, value) in channels.enumerated() where value > 0 { code |= 1 << Int32(bit) }
        return code
    }

    /// The channels of tokens, ±1 for a set and a cleared bit, `bits` values a token: the rows of `[codes.count, bits]`.
    public func channels(of codes: [Int32]) -> [Float] {
        var channels: [Float] = []
        channels.reserveCapacity(codes.count * bits)
        for code in codes {
            check(code)
            for bit in 0..<Int32(bits) { channels.append(code >> bit & 1 == 1 ? 1 : -1) }
        }
        return channels
    }

    private func check(_ code: Int32) {
        precondition(code >= 0 && Int(code) < codeCount, "code \(code) among \(codeCount)")
    }
}

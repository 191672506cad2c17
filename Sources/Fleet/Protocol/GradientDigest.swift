/// The digest of a block's gradient, made of the CRC-32C checksums of its chunks: 32 hexadecimal digits.
///
/// The bytes need not be read again for it, on neither side. Two 64-bit words go over the checksums in order, `a = mix(a ^ c)` and
/// `b = mix(b + c)` from `a = 0`, `b = 1`, with the finaliser of splitmix64 as `mix` (docs/protocol.md). Each is a bijection of the word
/// and one of the checksum, so gradients that differ in one chunk's checksum never have equal digests.
package enum GradientDigest {
    /// - Parameter checksums: of all chunks, from chunk 0.
    package static func text(of checksums: [UInt32]) -> String {
        var (a, b): (UInt64, UInt64) = (0, 1)
        for checksum in checksums {
            a = mix(a ^ UInt64(checksum))
            b = mix(b &+ UInt64(checksum))
        }
        return SessionID(high: a, low: b).description
    }
}

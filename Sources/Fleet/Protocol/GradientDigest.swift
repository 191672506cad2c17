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

extension CoordinatorState {
    /// Whether the gradient that a member sent is the one whose digest it announced. If not, its memory or its program is faulty: the session
    /// ends, and the block goes to another.
    mutating func verifyGradient(of member: Member, block: SlotBlock, announced: String) -> Bool {
        guard let arrived = member.incoming?.digest, arrived != announced else { return true }
        let text = String(announced.prefix(64))
        dismiss(member.id, reason: "its gradient of \(block) has digest \(arrived) but was announced with \(text); test the machine's memory")
        return false
    }
}

extension WorkerState {
    /// Payload of a bulk message in the session at hand.
    package var chunkBytes: Int { welcome?.chunkBytes ?? ControlMessage.largestChunk }
}

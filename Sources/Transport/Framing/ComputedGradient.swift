import Checksums
import Fleet

/// The gradient of a block, ready to be sent.
///
/// Its checksums are made once, where it was computed: what its bytes become afterwards, in this machine's memory, on the way, in the
/// coordinator's memory, does not fit them any more.
struct ComputedGradient: Sendable {
    let payload: BulkPayload
    /// CRC-32C of every chunk.
    let checksums: [UInt32]
    /// As `GradientDigest` makes it of the checksums.
    let digest: String

    init(_ payload: BulkPayload, chunkBytes: Int) {
        self.payload = payload
        let layout = ChunkLayout(totalBytes: payload.bytes.count, chunkBytes: chunkBytes)
        checksums = (0..<layout.count).map { CRC32C.checksum(payload.part(layout.range(of: $0)).bytes) }
        digest = GradientDigest.text(of: checksums)
    }
}

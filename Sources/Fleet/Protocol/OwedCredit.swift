/// Payload bytes that were consumed and not given back to their sender yet. A credit message for every chunk would cost more than the chunk's
/// checksum, so several chunks go into one.
struct OwedCredit: Sendable {
    private var bytes = 0

    /// Notes a consumed chunk.
    /// - Parameters:
    ///   - creditBytes: all that the sender may have on the way.
    ///   - chunkBytes: the largest chunk. The sender is never left without credit for one.
    /// - Returns: the bytes to give back now, a quarter of the credit or more; nil when it is not time yet.
    mutating func consume(_ count: Int, creditBytes: Int, chunkBytes: Int) -> Int? {
        bytes += count
        guard bytes >= creditBytes / 4 || creditBytes - bytes < chunkBytes else { return nil }
        defer { bytes = 0 }
        return bytes
    }
}

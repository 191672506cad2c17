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

extension CoordinatorState {
    /// Gives a worker the credit of a gradient chunk back.
    mutating func giveBack(_ bytes: Int, member position: Int) {
        let (credit, chunk) = (configuration.creditBytes, configuration.chunkBytes)
        guard let owed = members[position].owed.consume(bytes, creditBytes: credit, chunkBytes: chunk) else { return }
        actions.append(.send(.coordinatorCredit(bytes: owed), to: members[position].id))
    }
}

extension WorkerState {
    /// Gives the coordinator the credit of a chunk of weights back.
    mutating func giveBack(_ bytes: Int, _ welcome: Welcome) {
        guard let owed = owed.consume(bytes, creditBytes: welcome.creditBytes, chunkBytes: welcome.chunkBytes) else { return }
        send(.credit(bytes: owed))
    }
}

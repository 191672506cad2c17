/// Chunks on their way in and out.
extension WorkerState {
    /// Payload of a bulk message in the session at hand.
    package var chunkBytes: Int { welcome?.chunkBytes ?? ControlMessage.largestChunk }

    /// Gives the coordinator the credit of a chunk of weights back.
    mutating func giveBack(_ bytes: Int, _ welcome: Welcome) {
        guard let owed = owed.consume(bytes, creditBytes: welcome.creditBytes, chunkBytes: welcome.chunkBytes) else { return }
        send(.credit(bytes: owed))
    }
}

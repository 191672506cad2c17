import Checksums
import Fleet

/// What a coordinator sends in bulk: weights and samples.
extension CoordinatorLoop {
    /// Makes weights those of the step in progress.
    func publish(_ payload: BulkPayload) {
        let count = payload.bytes.count
        precondition(count == configuration.weightsBytes, "the delegate has \(count) bytes of weights instead of \(configuration.weightsBytes)")
        let layout = ChunkLayout(totalBytes: count, chunkBytes: configuration.chunkBytes)
        weights = Published(payload: payload, checksums: Array(repeating: nil, count: layout.count))
    }

    func send(weights step: Int, chunk: Int, bytes: Range<Int>, to session: SessionID) {
        guard let current = weights else { preconditionFailure("no weights of step \(step) to send") }
        let layout = ChunkLayout(totalBytes: configuration.weightsBytes, chunkBytes: configuration.chunkBytes)
        let part = current.payload.part(bytes)
        let checksum = current.checksums[chunk] ?? CRC32C.checksum(part.bytes)
        weights?.checksums[chunk] = checksum
        send(.weights, to: session, step: step, chunk: chunk, layout: layout, payload: part, checksum: checksum)
    }

    func send(sample id: Int, _ sample: BulkPayload, to session: SessionID) {
        let layout = ChunkLayout(totalBytes: sample.bytes.count, chunkBytes: configuration.chunkBytes)
        for chunk in 0..<layout.count {
            let part = sample.part(layout.range(of: chunk))
            send(.sample, to: session, index: id, chunk: chunk, layout: layout, payload: part, checksum: CRC32C.checksum(part.bytes))
        }
    }

    private func send(
        _ kind: BulkKind, to session: SessionID, step: Int = 0, index: Int = 0, chunk: Int, layout: ChunkLayout, payload: BulkPayload,
        checksum: UInt32
    ) {
        let header = BulkHeader(
            kind: kind, runID: configuration.runID, generation: configuration.generation, session: session, step: step,
            index: index, chunk: chunk, chunkCount: layout.count, offset: layout.range(of: chunk).lowerBound,
            payloadBytes: payload.bytes.count, totalBytes: layout.totalBytes, payloadChecksum: checksum)
        let parts: [Part] = [.bytes(session.routingID), .bytes(BulkHeaderCodec.encode(header)), .payload(payload)]
        guard let bulk, outbox.send(parts, to: session, on: bulk) else { return miss(session) }
    }
}

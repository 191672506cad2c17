/// What a bulk message carries.
public enum BulkKind: UInt8, Sendable, CaseIterable {
    /// Coordinator to worker: a chunk of the weights of a step.
    case weights = 1
    /// Worker to coordinator: a chunk of the gradient sum of a block.
    case gradient = 2
    /// Coordinator to worker: a chunk of the bytes of a sample.
    case sample = 3
    /// Worker to coordinator, empty: from now on the worker's bulk socket can be reached.
    case attach = 4
}

/// What is said about the payload of a bulk message; `Transport` writes it as 128 bytes.
public struct BulkHeader: Sendable, Equatable {
    public var kind: BulkKind
    public var runID: RunID
    public var generation: UInt64
    public var session: SessionID
    public var step: Int
    /// The level of a gradient's block, otherwise 0.
    public var level: Int
    /// The index of a gradient's block, the id of a sample, otherwise 0.
    public var index: Int
    /// The number of this chunk, from 0.
    public var chunk: Int
    /// How many chunks the whole has.
    public var chunkCount: Int
    /// Where in the whole the payload starts, in bytes.
    public var offset: Int
    /// Length of the payload in bytes.
    public var payloadBytes: Int
    /// Length of the whole in bytes.
    public var totalBytes: Int
    /// CRC-32C of the payload; filled in on sending, checked on receipt.
    public var payloadChecksum: UInt32

    public init(
        kind: BulkKind, runID: RunID, generation: UInt64, session: SessionID, step: Int = 0, level: Int = 0,
        index: Int = 0, chunk: Int = 0, chunkCount: Int = 0, offset: Int = 0, payloadBytes: Int = 0,
        totalBytes: Int = 0, payloadChecksum: UInt32 = 0
    ) {
        self.kind = kind
        self.runID = runID
        self.generation = generation
        self.session = session
        self.step = step
        self.level = level
        self.index = index
        self.chunk = chunk
        self.chunkCount = chunkCount
        self.offset = offset
        self.payloadBytes = payloadBytes
        self.totalBytes = totalBytes
        self.payloadChecksum = payloadChecksum
    }

    /// The block of a gradient; nil when level and index name none.
    package var block: SlotBlock? {
        (0..<32).contains(level) && (0..<1 << 31).contains(index) ? SlotBlock(level: level, index: index) : nil
    }
}

/// How a whole is cut into chunks: all of `chunkBytes`, the last one shorter.
public struct ChunkLayout: Sendable, Equatable {
    public let totalBytes: Int
    public let chunkBytes: Int

    public init(totalBytes: Int, chunkBytes: Int) {
        precondition(totalBytes >= 0 && chunkBytes > 0, "no chunks of \(chunkBytes) bytes in \(totalBytes)")
        self.totalBytes = totalBytes
        self.chunkBytes = chunkBytes
    }

    /// The number of chunks; an empty whole has one empty chunk.
    public var count: Int { max(1, (totalBytes + chunkBytes - 1) / chunkBytes) }

    /// The bytes of a chunk within the whole.
    public func range(of chunk: Int) -> Range<Int> {
        chunk * chunkBytes..<min(totalBytes, (chunk + 1) * chunkBytes)
    }

    /// What is wrong with a header's geometry under this layout; nil when nothing is.
    package func problem(with header: BulkHeader) -> String? {
        guard header.totalBytes == totalBytes else { return "\(header.totalBytes) bytes in all instead of \(totalBytes)" }
        guard header.chunkCount == count else { return "\(header.chunkCount) chunks instead of \(count)" }
        guard (0..<count).contains(header.chunk) else { return "chunk \(header.chunk) of \(count)" }
        let range = range(of: header.chunk)
        guard header.offset == range.lowerBound, header.payloadBytes == range.count else {
            return "\(header.payloadBytes) bytes at \(header.offset) instead of \(range.count) at \(range.lowerBound)"
        }
        return nil
    }
}

/// Which chunks of a whole have arrived, and their checksums.
package struct ChunkSet: Sendable {
    package let layout: ChunkLayout
    private var checksums: [UInt32?]
    package private(set) var count = 0

    package init(_ layout: ChunkLayout) {
        self.layout = layout
        checksums = Array(repeating: nil, count: layout.count)
    }

    /// Notes a chunk; false when it was there already. The checksum matters where a digest will be asked for.
    package mutating func insert(_ chunk: Int, checksum: UInt32 = 0) -> Bool {
        guard checksums[chunk] == nil else { return false }
        checksums[chunk] = checksum
        count += 1
        return true
    }

    package var isComplete: Bool { count == checksums.count }
    /// The digest of what arrived, as `GradientDigest` defines it; nil as long as chunks are missing.
    package var digest: String? { isComplete ? GradientDigest.text(of: checksums.compactMap { $0 }) : nil }
}

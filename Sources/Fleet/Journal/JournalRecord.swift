/// One line of `journal.jsonl`: a committed step. A resumed run has to reproduce it.
public struct JournalRecord: Codable, Equatable, Sendable {
    /// Which session computed a block; written as `["session", level, index]`.
    public struct Block: Codable, Equatable, Sendable {
        public var session: SessionID
        public var block: SlotBlock

        public init(session: SessionID, block: SlotBlock) {
            self.session = session
            self.block = block
        }

        public init(from decoder: any Decoder) throws {
            var items = try decoder.unkeyedContainer()
            session = try items.decode(SessionID.self)
            let level = try items.decode(Int.self)
            let index = try items.decode(Int.self)
            guard (0..<32).contains(level), (0..<1 << 31).contains(index), items.isAtEnd else {
                throw DecodingError.dataCorruptedError(
                    in: items, debugDescription: "a block is [session, level, index], not level \(level), index \(index)")
            }
            block = SlotBlock(level: level, index: index)
        }

        public func encode(to encoder: any Encoder) throws {
            var items = encoder.unkeyedContainer()
            try items.encode(session)
            try items.encode(block.level)
            try items.encode(block.index)
        }
    }

    /// No run has more steps; what a forged line claims beyond is not computed with.
    static let largestStep = 1 << 53

    /// The step that was committed.
    public var step: Int
    public var epoch: Int
    /// The plan's numbers, and what came out: losses.
    public var values: [String: Double]
    /// Digest of the reduced gradient.
    public var gradientDigest: String
    /// Digest of the weights after the step.
    public var weightsDigest: String
    /// Digest of the sample ids of all slots.
    public var samplesDigest: String
    /// The epoch's audit hash of samples after this step.
    public var auditHash: String
    /// Who computed what, by first slot. Not reproduced by a resumed run, which has other sessions.
    public var blocks: [Block]
    /// Digest of the previous line without its newline; of the empty text in the first line.
    public var previous: String

    public init(
        step: Int, epoch: Int, values: [String: Double], gradientDigest: String, weightsDigest: String, samplesDigest: String,
        auditHash: String, blocks: [Block], previous: String = ""
    ) {
        self.step = step
        self.epoch = epoch
        self.values = values
        self.gradientDigest = gradientDigest
        self.weightsDigest = weightsDigest
        self.samplesDigest = samplesDigest
        self.auditHash = auditHash
        self.blocks = blocks
        self.previous = previous
    }
}

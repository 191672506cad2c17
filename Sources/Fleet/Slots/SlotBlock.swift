/// An aligned block of 2^level consecutive slots, the unit in which work is handed out: a node of the binary tree over slots.
public struct SlotBlock: Hashable, Codable, Sendable, CustomStringConvertible {
    /// The block holds 2^level slots; level 0 is a single slot.
    public let level: Int
    /// The block's number among the blocks of its level.
    public let index: Int

    public init(level: Int, index: Int) {
        precondition(level >= 0 && level < 32 && index >= 0, "no slot block has level \(level) and index \(index)")
        self.level = level
        self.index = index
    }

    /// The block of all `slots` slots of a step; `slots` is a power of two.
    public static func all(slots: Int) -> SlotBlock {
        precondition(slots > 0 && slots & (slots - 1) == 0, "slots per step must be a power of two, not \(slots)")
        return SlotBlock(level: slots.trailingZeroBitCount, index: 0)
    }

    /// How many slots the block holds.
    public var count: Int { 1 << level }
    /// The slots of the block.
    public var slots: Range<Int> { index << level..<(index + 1) << level }
    /// The block of twice the size around this one.
    public var parent: SlotBlock { SlotBlock(level: level + 1, index: index >> 1) }
    /// The other half of the parent.
    public var sibling: SlotBlock { SlotBlock(level: level, index: index ^ 1) }
    /// True for the half with the lower slots.
    public var isLeft: Bool { index & 1 == 0 }

    /// The two halves, lower slots first; nil for a single slot.
    public var children: (left: SlotBlock, right: SlotBlock)? {
        guard level > 0 else { return nil }
        return (SlotBlock(level: level - 1, index: index << 1), SlotBlock(level: level - 1, index: index << 1 | 1))
    }

    /// True when every slot of `other` is in this block.
    public func contains(_ other: SlotBlock) -> Bool {
        other.level <= level && other.index >> (level - other.level) == index
    }

    /// True when the blocks share a slot; aligned blocks then contain one another.
    public func overlaps(_ other: SlotBlock) -> Bool { contains(other) || other.contains(self) }

    /// `slot 5` or `slots 8-15`.
    public var description: String {
        level == 0 ? "slot \(index)" : "slots \(slots.lowerBound)-\(slots.upperBound - 1)"
    }

    private enum CodingKeys: CodingKey { case level, index }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let level = try container.decode(Int.self, forKey: .level)
        let index = try container.decode(Int.self, forKey: .index)
        guard (0..<32).contains(level), (0..<1 << 31).contains(index) else {
            throw DecodingError.dataCorruptedError(
                forKey: .index, in: container, debugDescription: "no slot block has level \(level) and index \(index)")
        }
        self.init(level: level, index: index)
    }
}

/// The order of an image's merged tokens that its record is kept in (stage2 3.2): ascending by the first raster cell that each one owns. Slot i
/// lies at cell (i / √K, i mod √K) of RandAR's grid.
public struct CanonicalSlots: Sendable, Equatable {
    /// The tokenizer's token in each slot.
    public let tokens: [Int]
    /// The slot of each of the tokenizer's tokens.
    public let slots: [Int]
    /// The first raster cell of each slot, ascending.
    public let firstCells: [Int]
    /// The slot that owns each raster cell: g.
    public let owners: [Int32]

    /// - Parameters:
    ///   - owners: for each raster cell, the tokenizer's token it belongs to.
    ///   - count: merged tokens, K.
    /// - Throws: `SamplingError` when an owner is outside `0..<count`, or a token owns no cell.
    public init(owners: [Int32], count: Int) throws(SamplingError) {
        var slots = [Int](repeating: -1, count: count)
        var tokens: [Int] = []
        var firstCells: [Int] = []
        for (cell, owner) in owners.enumerated() {
            guard slots.indices.contains(Int(owner)) else { throw .ownerOutside(cell: cell, owner: Int(owner), tokens: count) }
            guard slots[Int(owner)] < 0 else { continue }
            slots[Int(owner)] = tokens.count
            tokens.append(Int(owner))
            firstCells.append(cell)
        }
        if let missing = slots.firstIndex(of: -1) { throw .tokenWithoutCell(missing) }
        self.slots = slots
        self.tokens = tokens
        self.firstCells = firstCells
        self.owners = owners.map { Int32(slots[Int($0)]) }
    }

    /// Codes in the tokenizer's order, in slot order.
    public func inSlotOrder(_ codes: [Int32]) -> [Int32] {
        precondition(codes.count == tokens.count, "\(codes.count) codes of \(tokens.count) tokens")
        return tokens.map { codes[$0] }
    }

    /// The code of every raster cell, from codes in slot order.
    public func expanded(_ codes: [Int32]) -> [Int32] {
        precondition(codes.count == tokens.count, "\(codes.count) codes of \(tokens.count) tokens")
        return owners.map { codes[Int($0)] }
    }

    /// The side of the grid that so many slots lie on.
    /// - Throws: `SamplingError.notSquare`.
    public static func gridSide(of count: Int) throws(SamplingError) -> Int {
        guard let side = squareRoot(of: count) else { throw .notSquare(count) }
        return side
    }
}

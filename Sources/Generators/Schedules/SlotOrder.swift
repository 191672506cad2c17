import TensorCore

/// The order in which RandAR takes the slots of one image (stage2 3.1): π and its inverse.
public struct SlotOrder: Sendable, Equatable {
    /// The slot that is decoded n-th.
    public let slots: [Int]
    /// When each slot is decoded: the inverse.
    public let turns: [Int]

    /// A given order.
    /// - Throws: `SamplingError.notPermutation` when a slot is missing.
    public init(_ slots: [Int]) throws(SamplingError) {
        var turns = [Int](repeating: -1, count: slots.count)
        for (turn, slot) in slots.enumerated() {
            guard turns.indices.contains(slot), turns[slot] < 0 else { throw .notPermutation(count: slots.count) }
            turns[slot] = turn
        }
        self.slots = slots
        self.turns = turns
    }

    /// A uniformly random order, a function of the numbers given alone.
    /// - Parameters:
    ///   - count: slots, at least 1.
    ///   - step: the training step; 0 when generating.
    ///   - image: the sample, or the generated image's number in the whole run, below 2^48.
    public init(count: Int, seed: UInt64, step: Int = 0, image: Int) {
        precondition(count >= 1 && step >= 0 && image >= 0, "no order of \(count) slots for (\(step), \(image))")
        let random = Philox(seed: seed, domain: "slot order")
        var slots = Array(0..<count)
        for last in stride(from: count - 1, to: 0, by: -1) {  // Fisher–Yates
            slots.swapAt(last, random.integer(below: last + 1, step: step, sample: image, draw: last))
        }
        var turns = slots
        for (turn, slot) in slots.enumerated() { turns[slot] = turn }
        self.slots = slots
        self.turns = turns
    }

    public var count: Int { slots.count }

    /// What is given in slot order, in decoding order.
    public func inDecodingOrder<Element>(_ bySlot: [Element]) -> [Element] {
        precondition(bySlot.count == count, "\(bySlot.count) elements of \(count) slots")
        return slots.map { bySlot[$0] }
    }

    /// What is given in decoding order, in slot order.
    public func inSlotOrder<Element>(_ byTurn: [Element]) -> [Element] {
        precondition(byTurn.count == count, "\(byTurn.count) elements of \(count) slots")
        return turns.map { byTurn[$0] }
    }
}

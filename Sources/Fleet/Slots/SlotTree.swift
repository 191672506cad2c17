/// The reduction tree over the slots of a step: values of aligned blocks are combined pairwise, always left with right.
///
/// The shape of the tree depends on the number of slots alone, so the root has the same bits whatever blocks
/// the values came in and in whatever order they arrived: `root(B) = combine(root(left half of B), root(right half of B))`.
public struct SlotTree<Value> {
    private let root: SlotBlock
    /// Values that wait for their sibling, by node number: 1 is the root, 2n and 2n + 1 are the halves of n.
    private var waiting: [Value?]
    /// How many slots below a node have arrived, whatever became of their values.
    private var arrived: [Int]

    /// A tree over `slots` slots, a power of two.
    public init(slots: Int) {
        root = .all(slots: slots)
        waiting = Array(repeating: nil, count: 2 * slots)
        arrived = Array(repeating: 0, count: 2 * slots)
    }

    /// How many slots have arrived.
    public var arrivedSlots: Int { arrived[1] }
    /// How many values wait for their sibling: the memory in use.
    public var waitingValues: Int { waiting.count { $0 != nil } }

    /// Adds the value of a block, and combines siblings upwards as far as both are there.
    /// A block that shares a slot with an earlier one is a programmer mistake and traps.
    /// - Parameter combine: gets (left, right); may reuse the memory of either.
    /// - Returns: the root's value when this was the last missing block.
    public mutating func insert(_ value: Value, at block: SlotBlock, combine: (Value, Value) -> Value) -> Value? {
        precondition(root.contains(block), "\(block) lies outside of \(root.count) slots")
        var node = number(of: block)
        var ancestor = node
        for level in block.level...root.level {
            precondition(arrived[ancestor] < 1 << level, "\(block) has arrived before")
            ancestor >>= 1
        }
        precondition(arrived[node] == 0, "a part of \(block) has arrived before")
        var above = node
        while above >= 1 {
            arrived[above] += block.count
            above >>= 1
        }
        var value = value
        while node > 1 {
            guard let other = waiting[node ^ 1] else {
                waiting[node] = value
                return nil
            }
            waiting[node ^ 1] = nil
            value = node & 1 == 0 ? combine(value, other) : combine(other, value)
            node >>= 1
        }
        return value
    }

    /// Forgets everything, for the next step.
    public mutating func removeAll() {
        for node in waiting.indices {
            waiting[node] = nil
            arrived[node] = 0
        }
    }

    private func number(of block: SlotBlock) -> Int { (1 << (root.level - block.level)) + block.index }
}

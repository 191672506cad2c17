import Fleet

extension Collection where Element == SlotBlock {
    /// Why blocks are not all the slots of a step, each once (spec/fleet.md, I1); nil if they are. In any order; they may lie anywhere.
    package func coverageProblem(slots: Int) -> String? {
        var next = 0
        for block in sorted(by: { $0.slots.lowerBound < $1.slots.lowerBound }) {
            if block.slots.upperBound > slots { return "\(block) is not of the step, which has \(slots) slots" }
            if block.slots.lowerBound < next { return "\(block) shares slots with another block" }
            if block.slots.lowerBound > next { return "slot \(next) is missing" }
            next = block.slots.upperBound
        }
        return next < slots ? "slot \(next) is missing" : nil
    }
}

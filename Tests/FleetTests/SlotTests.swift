import Fleet
import Testing

@Suite struct SlotBlockTests {
    @Test func geometry() {
        let block = SlotBlock(level: 2, index: 3)
        #expect(block.slots == 12..<16)
        #expect(block.count == 4)
        #expect(block.parent == SlotBlock(level: 3, index: 1))
        #expect(block.sibling == SlotBlock(level: 2, index: 2))
        #expect(block.children?.left.slots == 12..<14)
        #expect(block.children?.right.slots == 14..<16)
        #expect(SlotBlock(level: 0, index: 5).children == nil)
        #expect(block.description == "slots 12-15")
        #expect(SlotBlock(level: 0, index: 5).description == "slot 5")
        #expect(SlotBlock.all(slots: 64).slots == 0..<64)
    }

    /// Containment against the definition on slot sets, for all blocks of 16 slots.
    @Test func containmentIsThatOfSlots() {
        let blocks = (0...4).flatMap { level in (0..<16 >> level).map { SlotBlock(level: level, index: $0) } }
        for one in blocks {
            for other in blocks {
                #expect(one.contains(other) == Set(one.slots).isSuperset(of: other.slots))
                #expect(one.overlaps(other) == !Set(one.slots).isDisjoint(with: other.slots))
            }
        }
    }
}

@Suite struct SlotTreeTests {
    static func gradient(_ slot: Int) -> [Float] {
        Toy.slotGradient(weights: Toy.firstWeights, step: 1, slot: slot)
    }

    /// Any partition into aligned blocks, in any order: the bits of the recursion.
    @Test(arguments: 0..<60) func everyPartitionAndOrderGivesTheSameBits(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let slots = 1 << (seed % 8)
        let expected = Toy.gradient(of: .all(slots: slots), leaf: Self.gradient)
        var blocks: [SlotBlock] = []
        func divide(_ block: SlotBlock) {
            if let halves = block.children, random.chance(0.7) {
                divide(halves.left)
                divide(halves.right)
            } else {
                blocks.append(block)
            }
        }
        divide(.all(slots: slots))
        blocks.shuffle(using: &random)
        var tree = SlotTree<[Float]>(slots: slots)
        for _ in 0..<2 {
            for (number, block) in blocks.enumerated() {
                let value = Toy.gradient(of: block, leaf: Self.gradient)
                let root = tree.insert(value, at: block, combine: Toy.add)
                #expect((root != nil) == (number == blocks.count - 1))
                if let root { #expect(root.map(\.bitPattern) == expected.map(\.bitPattern), "seed \(seed)") }
            }
            #expect(tree.waitingValues == 0 && tree.arrivedSlots == slots)
            tree.removeAll()
        }
        var naive: [Float] = [0, 0, 0, 0]
        for slot in 0..<slots { naive = Toy.add(naive, Self.gradient(slot)) }
        if slots >= 64 { #expect(naive.map(\.bitPattern) != expected.map(\.bitPattern), "the numbers are too easy") }
    }

    @Test func overlapTraps() async {
        await #expect(processExitsWith: .failure) {
            var tree = SlotTree<Int>(slots: 8)
            _ = tree.insert(1, at: SlotBlock(level: 0, index: 3), combine: +)
            _ = tree.insert(1, at: SlotBlock(level: 1, index: 1), combine: +)
        }
        await #expect(processExitsWith: .failure) {
            var tree = SlotTree<Int>(slots: 8)
            _ = tree.insert(1, at: SlotBlock(level: 2, index: 0), combine: +)
            _ = tree.insert(1, at: SlotBlock(level: 0, index: 3), combine: +)
        }
    }
}

import Fleet
import Testing

/// How many sums wait in the tree at once: the memory of a coordinator.
@Suite struct ReducerMemoryTests {
    /// Workers finish in every order, the cruellest included: always the one whose sum cannot be added to anything. What waits is bounded by half
    /// of the slots, and by the depth of the tree for each block that is out and for the rest that nobody has yet.
    @Test(arguments: 0..<40) func sumsThatWaitAreBounded(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let depth = 3 + seed % 6
        let (slots, workers) = (1 << depth, 1 + seed % 9)
        var table = LeaseTable(slots: slots)
        var tree = SlotTree<Int>(slots: slots)
        let now = Instant(nanoseconds: 1)
        var (idle, out): ([SessionID], [(session: SessionID, block: SlotBlock)]) = ((0..<workers).map { SessionID(high: 0, low: UInt64($0)) }, [])
        var (peak, sum) = (0, Int?.none)
        while !table.isComplete {
            while let session = idle.last, let block = table.grant(to: session, activeWorkers: workers, now: now) {
                idle.removeLast()
                out.append((session, block))
            }
            let lonely = out.indices.filter { position in out.contains { $0.block.overlaps(out[position].block.sibling) } }
            let pick = random.chance(0.8) ? lonely.randomElement(using: &random) : nil
            let (session, block) = out.remove(at: pick ?? out.indices.randomElement(using: &random) ?? 0)
            _ = table.finish(block, by: session, digest: "")
            sum = tree.insert(block.count, at: block, combine: +)
            idle.append(session)
            peak = max(peak, tree.waitingValues)
        }
        #expect(sum == slots)
        #expect(peak <= min(slots / 2, (workers + 1) * depth), "\(peak) sums of \(slots) slots, \(workers) workers")
    }
}

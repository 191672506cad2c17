import Fleet
import TensorCore
import Testing
import Training

/// The audit hash of an epoch, against sums of keyed hashes that know of sample ids alone.
@Suite struct EpochAuditTests {
    private let all = [SlotBlock.all(slots: 8)]

    private func sum(_ samples: some Sequence<Int>, seed: UInt64, epoch: Int) -> UInt64 {
        let random = Philox(seed: seed, domain: "sample-audit")
        return samples.reduce(0) { $0 &+ random.bits(step: epoch, sample: $1) }
    }

    /// After each step that of the images so far, however they are cut into blocks; at the end that of every image.
    @Test(arguments: [50, 48, 7, 1])
    func anEpochEndsWithTheHashOfEverySample(samples: Int) {
        let plan = TrainingPlanTests.plan(samples: samples, seed: 3)
        var audit: TrainingPlan.Audit?
        for epoch in 0..<3 {
            var seen: [Int] = []
            for step in (epoch * plan.stepsPerEpoch)..<((epoch + 1) * plan.stepsPerEpoch) {
                seen += plan.samples(step: step, block: .all(slots: 8))
                let pieces = [(2, 1), (0, 3), (0, 2), (1, 0)].map { SlotBlock(level: $0, index: $1) }
                let before = audit
                audit = plan.audit(after: step, blocks: all, previous: before)
                #expect(audit == plan.audit(after: step, blocks: pieces, previous: before))
                #expect(audit == plan.audit(after: step, blocks: all, previous: nil), "step \(step) begun from nothing")
                #expect(audit?.text == "\(seen.count):" + String(sum(seen, seed: 3, epoch: epoch), radix: 16))
                #expect(audit == audit.flatMap { TrainingPlan.Audit(text: $0.text, epoch: epoch) })
                #expect(plan.endsEpoch(step) == (seen.count == samples))
            }
            #expect(audit == plan.completeAudit(ofEpoch: epoch))
            #expect(plan.completeAudit(ofEpoch: epoch).samples == samples)
            #expect(plan.completeAudit(ofEpoch: epoch).sum == sum(0..<samples, seed: 3, epoch: epoch))
        }
        #expect(plan.completeAudit(ofEpoch: 0).sum != plan.completeAudit(ofEpoch: 1).sum)
    }

    /// A slot that was left out, computed twice, or computed in place of another shows at the epoch's end.
    @Test func aLostOrRepeatedSlotShows() {
        let plan = TrainingPlanTests.plan(samples: 50)
        let slots = (0..<8).map { SlotBlock(level: 0, index: $0) }
        func end(step: Int, _ blocks: [SlotBlock]) -> TrainingPlan.Audit? {
            var audit: TrainingPlan.Audit?
            for other in 0..<plan.stepsPerEpoch { audit = plan.audit(after: other, blocks: other == step ? blocks : slots, previous: audit) }
            return audit
        }
        let complete = plan.completeAudit(ofEpoch: 0)
        #expect(end(step: 1, slots) == complete)
        for step in 0..<plan.stepsPerEpoch {
            for slot in 0..<8 where !plan.samples(step: step, slot: slot).isEmpty {
                #expect(end(step: step, slots.filter { $0.index != slot }) != complete)
                #expect(end(step: step, slots + [slots[slot]]) != complete)
                #expect(end(step: step, slots.map { $0.index == slot ? slots[(slot + 1) % 8] : $0 }) != complete)
            }
        }
    }

    @Test(arguments: ["", "12", "12:", ":ff", "12:xyz", "-1:ff", "12:ff:0", "12:fffffffffffffffff"])
    func whatIsNoAuditHashIsNotRead(text: String) {
        #expect(TrainingPlan.Audit(text: text, epoch: 0) == nil)
    }

    /// Every set of the blocks of eight slots, and every one of these with a block twice, against counts of slots.
    @Test func coverageIsEverySlotOnce() {
        let blocks = (0...3).flatMap { level in (0..<(8 >> level)).map { SlotBlock(level: level, index: $0) } }
        func isCovered(_ blocks: [SlotBlock]) -> Bool {
            var counts = [Int](repeating: 0, count: 8)
            for block in blocks { for slot in block.slots { counts[slot] += 1 } }
            return counts.allSatisfy { $0 == 1 }
        }
        var (covered, wrong) = (0, 0)
        for set in 0..<(1 << blocks.count) {
            let chosen = blocks.indices.reversed().filter { set >> $0 & 1 == 1 }.map { blocks[$0] }
            if isCovered(chosen) { covered += 1 }
            if isCovered(chosen) != (chosen.coverageProblem(slots: 8) == nil) { wrong += 1 }
            if let first = chosen.first, (chosen + [first]).coverageProblem(slots: 8) == nil { wrong += 1 }
        }
        // The ways to cut 8 slots in aligned blocks: c(1) = 1, c(2n) = c(n)² + 1.
        #expect(covered == 26 && wrong == 0)
        #expect([SlotBlock.all(slots: 16)].coverageProblem(slots: 8) != nil)
        #expect((all + [SlotBlock(level: 0, index: 8)]).coverageProblem(slots: 8) != nil)
    }
}

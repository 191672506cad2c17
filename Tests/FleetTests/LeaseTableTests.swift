import Fleet
import Testing

@Suite struct LeaseTableTests {
    static let sessions = (0..<5).map { SessionID(high: 0, low: UInt64($0)) }
    static func time(_ seconds: Double) -> Instant { Instant(nanoseconds: UInt64(seconds * 1e9)) }

    /// Sizes by the rule: the largest power of two that is at most max(1, free / (2 · workers)).
    @Test(arguments: [1, 2, 3, 7]) func blocksShrinkFromBigToSingle(workers: Int) {
        var table = LeaseTable(slots: 64)
        var next = 0
        while let block = table.grant(to: Self.sessions[0], activeWorkers: workers, now: Self.time(0)) {
            let free = 64 - next
            var size = 1
            while size * 2 <= free / (2 * workers) { size *= 2 }
            // The lowest free slot may not be aligned to the full size.
            while next % size != 0 { size /= 2 }
            #expect(block.slots == next..<next + size, "\(workers) workers")
            next += size
        }
        #expect(next == 64)
        #expect(table.freeSlots == 0 && table.leases.last?.block.count == 1)
    }

    @Test func aLostBlockIsHandedOutAgainFirst() {
        var table = LeaseTable(slots: 16)
        let first = table.grant(to: Self.sessions[0], activeWorkers: 2, now: Self.time(0))
        _ = table.grant(to: Self.sessions[1], activeWorkers: 2, now: Self.time(0))
        #expect(table.release(Self.sessions[0]) == first)
        #expect(table.release(Self.sessions[0]) == nil)
        #expect(table.grant(to: Self.sessions[2], activeWorkers: 2, now: Self.time(0))?.slots.lowerBound == 0)
    }

    @Test func theLatestOverdueBlockIsDuplicated() {
        var table = LeaseTable(slots: 4)
        for session in Self.sessions[0..<3] { _ = table.grant(to: session, activeWorkers: 2, now: Self.time(0)) }
        _ = table.grant(to: Self.sessions[3], activeWorkers: 2, now: Self.time(1))
        func duplicate(at seconds: Double, for session: SessionID = LeaseTableTests.sessions[4]) -> SlotBlock? {
            table.duplicate(for: session, now: Self.time(seconds), floor: .seconds(1), overdue: .seconds(10)) { holder, _ in
                // Sessions 0 and 1 take 2 and 4 seconds, nothing is known of the others.
                [.seconds(2), .seconds(4), nil, nil, nil][Int(holder.low)]
            }?.block
        }
        #expect(duplicate(at: 2.9) == nil)
        #expect(duplicate(at: 3.1)?.index == 0)
        #expect(duplicate(at: 6.1)?.index == 1)
        #expect(duplicate(at: 9) == nil, "slot 0 and 1 have fresh duplicates")
        #expect(duplicate(at: 10.5)?.index == 2)
        #expect(duplicate(at: 11.5)?.index == 3)
        // A duplicate that is overdue itself gets another one.
        #expect(duplicate(at: 14, for: SessionID(high: 1, low: 0))?.index == 0)
    }

    @Test func theFirstResultWins() throws {
        var table = LeaseTable(slots: 2)
        let granted = table.grant(to: Self.sessions[0], activeWorkers: 1, now: Self.time(0))
        let block = try #require(granted)
        _ = table.grant(to: Self.sessions[1], activeWorkers: 1, now: Self.time(0))
        _ = table.duplicate(for: Self.sessions[2], now: Self.time(60), floor: .seconds(1), overdue: .seconds(10)) { _, _ in nil }
        #expect(table.finish(block, by: Self.sessions[3], digest: "a") == .unknown)
        #expect(table.finish(block, by: Self.sessions[2], digest: "a") == .first(others: [Self.sessions[0]]))
        #expect(table.finish(block, by: Self.sessions[0], digest: "a") == .again(first: Self.sessions[2], equal: true))
        #expect(table.finish(block, by: Self.sessions[0], digest: "b") == .again(first: Self.sessions[2], equal: false))
        #expect(!table.isComplete)
        #expect(table.finish(block.sibling, by: Self.sessions[1], digest: "c") == .first(others: []))
        #expect(table.isComplete)
    }

    @Test func lossesCountDifferentProcessesOverTheSameSlots() {
        var table = LeaseTable(slots: 16)
        let (big, small, other) = (SlotBlock(level: 3, index: 0), SlotBlock(level: 0, index: 5), SlotBlock(level: 3, index: 1))
        #expect(table.noteLoss(of: big, process: Self.sessions[0]) == 1)
        #expect(table.noteLoss(of: small, process: Self.sessions[0]) == 1, "the same process twice")
        #expect(table.noteLoss(of: other, process: Self.sessions[1]) == 1)
        #expect(table.noteLoss(of: big, process: Self.sessions[2]) == 2)
        table.forgetLoss(process: Self.sessions[2])
        #expect(table.noteLoss(of: big, process: Self.sessions[3]) == 2)
    }
}

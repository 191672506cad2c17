import Fleet
import Testing

@Suite struct LeaseTableTests {
    static let sessions = (0..<5).map { SessionID(high: 0, low: UInt64($0)) }
    static func time(_ seconds: Double) -> Instant { Instant(nanoseconds: UInt64(seconds * 1e9)) }

    /// Cut from the smallest free block that is large enough, otherwise the largest; so large ones stay whole.
    @Test func blocksAreCutFromTheSmallestThatIsLargeEnough() {
        var table = LeaseTable(slots: 16)
        func grant(_ size: Int) -> Range<Int>? { table.grant(to: Self.sessions[0], size: size, now: Self.time(0))?.slots }
        #expect(grant(3) == 0..<2)
        #expect(grant(1) == 2..<3)
        #expect(grant(1) == 3..<4)
        #expect(grant(8) == 8..<16)
        #expect(grant(100) == 4..<8)
        #expect(grant(1) == nil && !table.hasFreeSlots && table.freeSlots == 0)
    }

    @Test func aReturnedBlockIsFreeUnlessSomebodyElseHasIt() throws {
        var table = LeaseTable(slots: 8)
        let granted = table.grant(to: Self.sessions[0], size: 8, now: Self.time(0))
        let block = try #require(granted)
        table.duplicate(block, for: Self.sessions[1], now: Self.time(1))
        let first = table.release(block, of: Self.sessions[0])
        #expect(first && !table.hasFreeSlots)
        let again = table.release(block, of: Self.sessions[0])
        #expect(!again)
        table.release(block, of: Self.sessions[1])
        #expect(table.freeSlots == 8)
        let next = table.grant(to: Self.sessions[2], size: 8, now: Self.time(2))
        #expect(next == block)
    }

    /// The block of a worker that vanished goes out again in sixteen pieces at most, single slots if it had no more.
    @Test(arguments: [(4, 1), (3, 1), (0, 1), (7, 8)]) func aSuspectBlockGoesOutInPieces(level: Int, size: Int) throws {
        var table = LeaseTable(slots: 1 << level)
        let granted = table.grant(to: Self.sessions[0], size: 1 << level, now: Self.time(0))
        let block = try #require(granted)
        table.release(block, of: Self.sessions[0], pieces: 16)
        var next = 0
        while let piece = table.grant(to: Self.sessions[1], size: 1 << level, now: Self.time(1)) {
            #expect(piece.slots == next..<next + size)
            next += size
        }
        #expect(next == 1 << level)
    }

    @Test func aBlockIsTakenFromASlowWorkerOnce() throws {
        var table = LeaseTable(slots: 4)
        let granted = table.grant(to: Self.sessions[0], size: 4, now: Self.time(0))
        let block = try #require(granted)
        #expect(table.canReclaim(block))
        table.reclaim(block, from: Self.sessions[0])
        let part = table.grant(to: Self.sessions[1], size: 2, now: Self.time(1))
        let half = try #require(part)
        #expect(half.slots == 0..<2 && !table.canReclaim(half))
    }

    @Test func theFirstResultWins() throws {
        var table = LeaseTable(slots: 2)
        let granted = table.grant(to: Self.sessions[0], size: 1, now: Self.time(0))
        let block = try #require(granted)
        _ = table.grant(to: Self.sessions[1], size: 1, now: Self.time(0))
        table.duplicate(block, for: Self.sessions[2], now: Self.time(60))
        #expect(table.finish(block, by: Self.sessions[3], digest: "a") == .unknown)
        #expect(table.finish(block, by: Self.sessions[2], digest: "a") == .first(others: [Self.sessions[0]]))
        #expect(table.finish(block, by: Self.sessions[0], digest: "a") == .again(first: Self.sessions[2], equal: true))
        #expect(table.finish(block, by: Self.sessions[0], digest: "b") == .again(first: Self.sessions[2], equal: false))
        #expect(!table.isComplete)
        #expect(table.finish(block.sibling, by: Self.sessions[1], digest: "c") == .first(others: []))
        #expect(table.isComplete)
    }
}

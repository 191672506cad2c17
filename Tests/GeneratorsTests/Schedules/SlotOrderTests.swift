import Generators
import TestKit
import Testing

@Suite struct SlotOrderTests {
    /// An order made by a separate Philox and Fisher–Yates: changing it changes every image that was ever generated.
    @Test func ordersStayTheSame() {
        #expect(SlotOrder(count: 9, seed: 5, image: 12).slots == [2, 3, 5, 1, 4, 6, 8, 7, 0])
    }

    @Test func turnsAreTheInverse() throws {
        let order = try SlotOrder([2, 0, 3, 1])
        #expect(order.turns == [1, 3, 0, 2])
        #expect(order.inDecodingOrder(["a", "b", "c", "d"]) == ["c", "a", "d", "b"])
        #expect(order.inSlotOrder(["c", "a", "d", "b"]) == ["a", "b", "c", "d"])
        for image in 0..<20 {
            let drawn = SlotOrder(count: 16, seed: 2, image: image)
            #expect(try SlotOrder(drawn.slots) == drawn)
        }
    }

    /// 6000 orders of three slots: each of the six as often as the others, within five standard deviations.
    @Test func uniform() {
        var seen: [[Int]: Double] = [:]
        for image in 0..<6000 { seen[SlotOrder(count: 3, seed: 1, step: image / 100, image: image % 100).slots, default: 0] += 1 }
        #expect(seen.count == 6 && seen.values.allSatisfy { abs($0 - 1000) < 145 }, "\(seen)")
    }

    @Test(arguments: [[0, 0, 1], [1, 2, 3], [-1, 0, 1]])
    func wrongOrdersAreNamed(_ slots: [Int]) {
        #expect(throws: SamplingError.notPermutation(count: 3)) { try SlotOrder(slots) }
    }
}

@Suite struct CanonicalSlotsTests {
    @Test func orderedByFirstCell() throws {
        let slots = try CanonicalSlots(owners: [2, 2, 0, 3, 0, 1, 3, 2], count: 4)
        #expect(slots.tokens == [2, 0, 3, 1] && slots.slots == [1, 3, 0, 2] && slots.firstCells == [0, 2, 3, 5])
        #expect(slots.owners == [0, 0, 1, 2, 1, 3, 2, 0])
        #expect(slots.inSlotOrder([10, 11, 12, 13]) == [12, 10, 13, 11])
        #expect(slots.expanded([12, 10, 13, 11]) == [12, 12, 10, 13, 10, 11, 13, 12])
    }

    @Test func damagedOwnersAreNamed() {
        #expect(throws: SamplingError.ownerOutside(cell: 2, owner: 3, tokens: 3)) { try CanonicalSlots(owners: [0, 1, 3, 2], count: 3) }
        #expect(throws: SamplingError.ownerOutside(cell: 0, owner: -1, tokens: 3)) { try CanonicalSlots(owners: [-1, 1, 0, 2], count: 3) }
        #expect(throws: SamplingError.tokenWithoutCell(1)) { try CanonicalSlots(owners: [0, 2, 0, 2], count: 3) }
    }

    @Test func grids() throws {
        #expect(try [1, 9, 144, 256, 1024].map { try CanonicalSlots.gridSide(of: $0) } == [1, 3, 12, 16, 32])
        for count in [0, -4, 2, 143, 145, Int.max] {
            #expect(throws: SamplingError.notSquare(count)) { try CanonicalSlots.gridSide(of: count) }
        }
    }

    /// Fixture 34's slot orders.
    @Test(.enabled(if: Fixtures.exist("34_"), Fixtures.skipped), arguments: try FixtureCase.all("34_") { $0.settings.has("grid") })
    func matchesGoldenSlots(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let count = fixture.settings.integer("K")
        let slots = try CanonicalSlots(owners: try arrays.integers("inputs/owner").map(Int32.init), count: count)
        #expect(try CanonicalSlots.gridSide(of: count) == fixture.settings.integer("grid"))
        let codes = slots.inSlotOrder(try arrays.integers("inputs/codes").map(Int32.init))
        let got: [String: [Int]] = [
            "slot_to_token": slots.tokens, "token_to_slot": slots.slots, "first_position": slots.firstCells,
            "owner_slots": slots.owners.map(Int.init), "codes_slots": codes.map(Int.init), "codes_expanded": slots.expanded(codes).map(Int.init),
        ]
        for (name, values) in got {
            let same = values == (try arrays.integers("outputs/\(name)"))
            #expect(same, "\(name)")
        }
    }
}

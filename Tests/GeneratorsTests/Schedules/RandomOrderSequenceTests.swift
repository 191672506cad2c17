import Generators
import TestKit
import Testing

@Suite struct RandomOrderSequenceTests {
    private static let order = try! SlotOrder([2, 0, 3, 1])  // a permutation

    @Test func training() {
        let sequence = RandomOrderSequence(Self.order)
        #expect(
            sequence.elements == [
                .classToken, .query(slot: 2), .token(slot: 2), .query(slot: 0), .token(slot: 0), .query(slot: 3), .token(slot: 3), .query(slot: 1),
                .token(slot: 1),
            ])
        #expect(sequence.length == 9)
        for (turn, slot) in Self.order.slots.enumerated() {
            #expect(sequence.elements[RandomOrderSequence.position(ofQuery: turn)] == .query(slot: slot))
        }
    }

    /// The first queries of the third call are behind the two committed tokens, whose queries lay side by side before.
    @Test func callsOverwriteTheQueriesOfTheLastOne() {
        let calls = RandomOrderSequence(Self.order).calls(counts: [1, 2, 1])
        #expect(calls.map(\.start) == [0, 2, 4] && calls.map(\.end) == [2, 5, 8] && calls.map(\.decoded) == [0, 1, 3])
        #expect(calls[0].elements == [.classToken, .query(slot: 2)])
        #expect(calls[1].elements == [.token(slot: 2), .query(slot: 0), .query(slot: 3)])
        #expect(calls[2].elements == [.token(slot: 0), .query(slot: 3), .token(slot: 3), .query(slot: 1)])
        #expect(calls.map(\.outputs) == [1..<2, 1..<3, 3..<4] && calls.map(\.turns) == [0..<1, 1..<3, 3..<4])
    }

    /// Whatever the schedule: once a call is over, the entries below its own queries are those of training, and its first query is too.
    @Test(arguments: ParallelSchedule.allCases, [2, 5, 12, 64])
    func theCacheIsTheTrainingSequence(_ schedule: ParallelSchedule, _ steps: Int) throws {
        let sequence = RandomOrderSequence(SlotOrder(count: 36, seed: 1, image: steps))
        var cache: [RandomOrderSequence.Element] = []
        for call in sequence.calls(counts: try schedule.counts(tokens: 36, steps: steps)) {
            #expect(call.start <= cache.count, "no entry is left out")
            cache = cache.prefix(call.start) + call.elements
            let settled = RandomOrderSequence.position(ofQuery: call.decoded) + 1
            #expect(cache.prefix(settled).elementsEqual(sequence.elements.prefix(settled)))
            #expect(call.elements[call.outputs] == sequence.order.slots[call.turns].map { .query(slot: $0) }[...])
            #expect(call.end == cache.count && call.end <= sequence.length)
        }
    }

    private static func content(_ element: RandomOrderSequence.Element) -> String {
        switch element {
        case .classToken: "class"
        case .query(let slot): "query\(slot)"
        case .token(let slot): "token\(slot)"
        }
    }

    /// Fixture 34: start, length, end, new tokens, tokens before and guidance of each call.
    @Test(.enabled(if: Fixtures.exist("34_"), Fixtures.skipped), arguments: try FixtureCase.all("34_") { $0.settings.has("model") })
    func matchesGoldenCalls(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let tokens = fixture.settings.integer("N")
        let order = try SlotOrder(Array(try arrays.integers("inputs/order").prefix(tokens)))
        let decodings = try arrays.children(of: "decode")
        #expect(!decodings.isEmpty)
        for name in decodings {
            let settings = try arrays.settings(of: "decode/\(name)")
            let schedule = try #require(ParallelSchedule(rawValue: settings.text("schedule")))
            let counts = try schedule.counts(tokens: tokens, steps: settings.integer("T"))
            #expect(counts == (try arrays.integers("decode/\(name)/counts")))
            let calls = RandomOrderSequence(order).calls(counts: counts)
            let guidance = GuidanceSchedule.linear(from: settings.double("s0"), to: settings.double("s1"))
            let table = calls.flatMap { call -> [Int] in
                let scale = guidance.scale(decoded: call.decoded, of: tokens)
                return [call.start, call.elements.count, call.end, call.count, call.decoded, Int((scale * 1e6).rounded())]
            }
            #expect(table == (try arrays.integers("decode/\(name)/per_call")), "decode/\(name)")
            let golden = settings.groups("calls").map { $0.texts("content") }
            #expect(calls.map { $0.elements.map(Self.content) } == golden, "decode/\(name)")
            let byTurn = try arrays.integers("decode/\(name)/tokens_a_decode_order")
            #expect(order.inSlotOrder(byTurn) == (try arrays.integers("decode/\(name)/tokens_a_slot")))
        }
    }
}

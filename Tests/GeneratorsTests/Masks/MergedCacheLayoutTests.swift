import Generators
import TensorCore
import Testing

@Suite struct MergedCacheLayoutTests {
    /// The timeline of stage2 2.3 for a window of 2.
    @Test func workedExample() {
        var layout = MergedCacheLayout(window: 2)
        let entrances = [0, 1, 0, 0, 2].map { layout.enter($0) }
        #expect(entrances.map(\.slot) == [0, 1, 0, 1, 0] && entrances.map(\.first) == [0, 1, 0, 0, 4])
        #expect(entrances.map { $0.leaving?.token } == [nil, nil, 0, 1, 2] && entrances.map { $0.leaving?.store } == [nil, nil, 0, 1, nil])
        #expect(layout.stored == [0, 1] && Array(layout.ring) == [3, 4] && layout.first == [0, 1, 0, 0, 4])
        #expect((0..<5).map(layout.isRedundant) == [false, false, true, true, false])
        #expect((0..<5).map(layout.place) == [.store(0), .store(1), .evicted, .ring(1), .ring(0)])
        #expect(layout.contextSize == 6 && layout.distinct == 3)
    }

    /// What the cache holds when a token has entered is what the mask lets the token see, and places, slots and peak agree with it.
    @Test func holdsWhatTheMaskShows() {
        let random = Philox(seed: 9, domain: "cache")
        for trial in 0..<60 {
            let codes = (0..<24).map { Int32(random.integer(below: 2 + trial % 17, sample: trial, draw: $0)) }
            let attention = MergedAttention(prefix: 1 + trial % 3, window: 1 + trial % 6, keep: TokenGroups(codes).keep)
            var layout = MergedCacheLayout(prefix: attention.prefix, window: attention.window)
            var store: [Int] = []
            var ring = [Int?](repeating: nil, count: attention.window)
            var largest = 0
            for (token, code) in codes.enumerated() {
                let entrance = layout.enter(code)
                if let leaving = entrance.leaving {
                    #expect(ring[entrance.slot] == leaving.token, "the one that leaves lies in the slot that is written next")
                    if let place = leaving.store {
                        #expect(place == store.count)
                        store.append(leaving.token)
                    }
                }
                ring[entrance.slot] = token
                let held = (store + ring.compactMap { $0 }).sorted()
                #expect(held == attention.context(of: token), "trial \(trial), token \(token)")
                #expect(layout.contextSize == attention.contextSize(query: token + attention.prefix))
                for other in 0...token {
                    switch layout.place(of: other) {
                    case .store(let index): #expect(store[index] == other)
                    case .ring(let slot): #expect(ring[slot] == other)
                    case .evicted: #expect(!held.contains(other))
                    }
                }
                largest = max(largest, held.count + attention.prefix)
            }
            #expect(layout.first == TokenGroups(codes).first && layout.peakEntries == largest && layout.distinct == Set(codes).count)
        }
    }
}

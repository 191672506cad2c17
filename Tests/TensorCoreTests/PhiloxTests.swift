import TensorCore
import Testing

@Suite struct PhiloxTests {
    /// Known answers of the Random123 distribution.
    @Test func knownAnswers() {
        func words(_ k0: UInt32, _ k1: UInt32, _ c: [UInt32]) -> [UInt32] {
            let b = Philox(key0: k0, key1: k1).block(c[0], c[1], c[2], c[3])
            return [b.0, b.1, b.2, b.3]
        }
        #expect(words(0, 0, [0, 0, 0, 0]) == [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8])
        let ones = UInt32.max
        #expect(words(ones, ones, [ones, ones, ones, ones]) == [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd])
        #expect(
            words(0xa409_3822, 0x299f_31d0, [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344])
                == [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1])
    }

    @Test func domainsAndCountersAreDistinctStreams() {
        let a = Philox(seed: 1, domain: "crop")
        let b = Philox(seed: 1, domain: "merge-ratio")
        var seen: Set<UInt64> = []
        for step in 0..<20 {
            for sample in 0..<20 {
                for draw in 0..<3 {
                    seen.insert(a.bits(step: step, sample: sample, draw: draw))
                    seen.insert(b.bits(step: step, sample: sample, draw: draw))
                }
            }
        }
        #expect(seen.count == 2 * 20 * 20 * 3)
        #expect(a.bits(step: 1 << 40) != a.bits(step: 0) && a.bits(sample: 1 << 40) != a.bits(sample: 0))
    }

    @Test func numbersAreUniform() {
        let random = Philox(seed: 9, domain: "test")
        let count = 20_000
        var buckets = [Int](repeating: 0, count: 10)
        for i in 0..<count { buckets[random.integer(below: 10, draw: i)] += 1 }
        // χ² with 9 degrees of freedom exceeds 33.7 with probability 1e-4; the stream is fixed.
        let expected = Double(count) / 10
        #expect(buckets.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected } < 33.7)
        #expect((0..<count).allSatisfy { (0..<1).contains(random.uniform(step: 5, draw: $0)) })
    }
}

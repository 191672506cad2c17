import ImageData
import Testing

@Suite struct EpochPermutationTests {
    @Test("is a bijection", arguments: Array(1...70) + [127, 128, 129, 1000, 4096, 4097, 65_537, 1_281_167])
    func isBijective(_ count: Int) {
        let order = EpochPermutation(count: count, seed: 3, epoch: 1)
        var seen = [Bool](repeating: false, count: count)
        for position in 0..<count { seen[order(position)] = true }
        #expect(seen.allSatisfy { $0 })
    }

    @Test("spreads 14 million samples without a collision among two million positions")
    func isInjectiveOnLargeSets() {
        let count = 14_197_122
        let order = EpochPermutation(count: count, seed: 9, epoch: 0)
        var seen = [Bool](repeating: false, count: count)
        var collisions = 0
        for position in stride(from: 0, to: count, by: 7) {
            let sample = order(position)
            if seen[sample] { collisions += 1 }
            seen[sample] = true
        }
        #expect(collisions == 0)
        // A uniform choice puts 2 028 161 of them evenly into 16 parts: 126 760 each, standard deviation 345.
        for part in 0..<16 {
            let slice = seen[part * count / 16..<(part + 1) * count / 16]
            #expect(abs(slice.lazy.filter { $0 }.count - 126_760) < 5 * 345)
        }
    }

    @Test func differsByEpochAndSeed() {
        func order(_ seed: UInt64, _ epoch: Int) -> [Int] {
            let permutation = EpochPermutation(count: 1000, seed: seed, epoch: epoch)
            return (0..<1000).map { permutation($0) }
        }
        let first = order(1, 0)
        #expect(first == order(1, 0))
        for other in [order(1, 1), order(2, 0), Array(0..<1000)] {
            // Two random orders agree in one place on average.
            #expect(zip(first, other).filter { $0 == $1 }.count < 10)
        }
    }

    @Test("every order of three samples turns up, none too often")
    func isFairOnTinySets() {
        var tally: [[Int]: Int] = [:]
        for epoch in 0..<6000 {
            let order = EpochPermutation(count: 3, seed: 5, epoch: epoch)
            tally[[order(0), order(1), order(2)], default: 0] += 1
        }
        #expect(tally.count == 6)
        #expect(tally.values.allSatisfy { $0 > 500 && $0 < 1700 })
    }

    @Test("neighbouring positions are unrelated")
    func mixesNeighbours() {
        let count = 100_000
        let order = EpochPermutation(count: count, seed: 1, epoch: 2)
        var distance = 0.0
        for position in 1..<count { distance += Double(abs(order(position) - order(position - 1))) }
        // The mean distance of two uniform numbers is N/3.
        #expect(abs(distance / Double(count - 1) / Double(count) - 1.0 / 3) < 0.01)
    }
}

import Foundation
import Generators
import TestKit
import Testing

@Suite struct ParallelScheduleTests {
    /// The lists of stage2 3.3.
    @Test func listsOfTheSpecification() throws {
        #expect(try ParallelSchedule.randar.counts(tokens: 16, steps: 8) == [1, 1, 1, 2, 3, 2, 3, 3])
        #expect(try ParallelSchedule.arccos.counts(tokens: 16, steps: 8) == [1, 2, 1, 2, 1, 2, 2, 5])
        let list = [Int](repeating: 1, count: 7) + [2, 2, 3, 3, 3, 3, 4, 3, 4, 4, 5, 4, 5, 5, 5, 5, 5, 6, 6, 5, 6, 6, 6, 6, 6, 7, 6, 6, 6]
        #expect(try ParallelSchedule.randar.counts(tokens: 144, steps: 36) == list)
        let (slow, fast) = (try ParallelSchedule.randar.counts(tokens: 144, steps: 64), try ParallelSchedule.arccos.counts(tokens: 144, steps: 64))
        #expect(slow.suffix(2) == [4, 3] && slow.max() == 4 && fast.prefix(4) == [1, 2, 2, 1] && fast.suffix(3) == [6, 6, 16])
        #expect(try ParallelSchedule.randar.counts(tokens: 256, steps: 88).max() == 5)
        #expect(try ParallelSchedule.arccos.counts(tokens: 256, steps: 88).last == 24)
    }

    @Test(arguments: ParallelSchedule.allCases)
    func allTokensInSoManyCalls(_ schedule: ParallelSchedule) throws {
        for tokens in [1, 2, 4, 9, 100, 144, 256] {
            for steps in 2...40 {
                let counts = try schedule.counts(tokens: tokens, steps: steps)
                #expect(counts.reduce(0, +) == tokens && counts.allSatisfy { $0 >= 1 } && counts[0] == 1)
                #expect(counts.count == min(steps, tokens), "\(tokens) tokens, \(steps) steps")
            }
        }
        #expect(try schedule.counts(tokens: 9, steps: 1) == [1, 8])
        #expect(throws: SamplingError.decoding(tokens: 0, steps: 4)) { try schedule.counts(tokens: 0, steps: 4) }
        #expect(throws: SamplingError.decoding(tokens: 4, steps: 0)) { try schedule.counts(tokens: 4, steps: 0) }
    }

    private struct File: Decodable {
        struct Case: Decodable {
            let N: Int
            let T: Int
            let schedule: String
            let counts: [Int]
            let steps: Int
            let counts_alternative: [Int]?
        }

        let cases: [Case]
    }

    /// Fixture 34's lists. Where exact arithmetic gives another list than double, it gives both and either will do.
    @Test(.enabled(if: Fixtures.exist("34_"), Fixtures.skipped), arguments: Fixtures.files("34_").filter { $0.hasSuffix(".json") })
    func matchesGoldenLists(_ name: String) throws {
        let file = try JSONDecoder().decode(File.self, from: Data(contentsOf: Fixtures.folder.appendingPathComponent(name)))
        #expect(!file.cases.isEmpty)
        for want in file.cases {
            let counts = try #require(ParallelSchedule(rawValue: want.schedule)).counts(tokens: want.N, steps: want.T)
            #expect(counts == want.counts || counts == want.counts_alternative, "\(want.schedule), N = \(want.N), T = \(want.T)")
            #expect(counts.count == want.steps)
        }
    }
}

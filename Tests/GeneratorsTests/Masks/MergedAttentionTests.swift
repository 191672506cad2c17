import Generators
import TensorCore
import TestKit
import Testing

@Suite struct MergedAttentionTests {
    private static let letters: [Int32] = [0, 1, 0, 0, 2, 1]  // a b a a c b

    /// The table of stage2 2.3, row by row.
    @Test func workedExample() {
        let groups = TokenGroups(Self.letters)
        #expect(groups.keep == [true, true, false, false, true, false] && groups.distinct == 3)
        #expect(groups.first == [0, 1, 0, 0, 4, 1])
        let representatives = (0..<6).map { i in (0..<6).map { groups.represents(i, $0) ? 1 : 0 } }
        let none = [0, 0, 0, 0, 0, 0]
        #expect(representatives == [[1, 0, 1, 1, 0, 0], [0, 1, 0, 0, 0, 1], none, none, [0, 0, 0, 0, 1, 0], none])
        let inputs = Array(groups.keep.dropLast())
        let narrow = MergedAttention(window: 1, keep: inputs)
        let rows = ["1000000", "1100000", "1110000", "1111000", "1111100", "1111010", "1111001"]
        #expect(Self.rows(narrow) == rows)
        #expect((0..<7).map(narrow.contextSize) == [1, 2, 3, 4, 5, 5, 5])
        let paper = MergedAttention(window: 2, keep: inputs)
        #expect(Self.rows(paper) == rows.dropLast(2) + ["1111110", "1111011"])
        #expect((0..<7).map(paper.contextSize) == [1, 2, 3, 4, 5, 6, 6])
    }

    /// The arrows of the paper's Fig. 6, its targets and tokens counted from 1.
    @Test func contextsOfTheFigure() {
        let attention = MergedAttention(window: 2, keep: TokenGroups([1, 1, 3, 3, 5, 5, 5, 8, 8]).keep)
        for (target, context) in [5: [1, 3, 4], 6: [1, 3, 4, 5], 7: [1, 3, 5, 6], 9: [1, 3, 5, 7, 8]] {
            #expect(attention.context(of: target - 2).map { $0 + 1 } == context, "target \(target)")
        }
    }

    /// A window over everything, and tokens that all differ, are causal attention.
    @Test func causalWhereNothingIsDropped() {
        let causal = (0..<8).flatMap { query in (0..<8).map { $0 <= query } }
        let wide = MergedAttention(window: 6, keep: TokenGroups(Self.letters).keep).mask == causal
        let distinct = MergedAttention(window: 1, keep: TokenGroups([5, 3, 9, 1, 0, 7]).keep).mask == causal
        #expect(wide && distinct)
        let narrower = MergedAttention(window: 4, keep: [true, false, false, false, false, false])
        #expect(!narrower.isVisible(query: 7, key: 3) && narrower.isVisible(query: 7, key: 2) && narrower.isVisible(query: 7, key: 4))
    }

    /// The formula of n(q) is the rows' sums, for many images, prefixes and windows.
    @Test func contextSizesAreRowSums() {
        let random = Philox(seed: 4, domain: "masks")
        for trial in 0..<60 {
            let codes = (0..<20).map { Int32(random.integer(below: 2 + trial % 15, sample: trial, draw: $0)) }
            let attention = MergedAttention(prefix: 1 + trial % 3, window: 1 + trial % 7, keep: TokenGroups(codes).keep)
            let sums = (0..<attention.length).map { query in
                (0..<attention.length).filter { attention.isVisible(query: query, key: $0) }.count
            }
            #expect((0..<attention.length).map(attention.contextSize) == sums, "trial \(trial)")
            #expect((0..<20).allSatisfy { attention.context(of: $0).count + attention.prefix == sums[$0 + attention.prefix] }, "trial \(trial)")
        }
    }

    /// Where no two merged tokens share a code, both equalities give the same flags.
    @Test func sourcesAndCodesAgreeWithoutCollisions() {
        let owners: [Int32] = [2, 0, 0, 1, 2, 3, 1]
        func groups(_ codeOf: [Int32], _ equality: TokenGroups.Equality) -> TokenGroups {
            TokenGroups(codes: owners.map { codeOf[Int($0)] }, owners: owners, by: equality)
        }
        #expect(groups([9, 4, 7, 5], .code) == groups([9, 4, 7, 5], .source))
        #expect(groups([9, 4, 9, 5], .code).keep == [true, false, false, true, false, true, false])
        #expect(groups([9, 4, 9, 5], .source).keep == [true, true, false, true, false, true, false])
        #expect(TokenGroups.collisionRate(codes: owners.map { [9, 4, 9, 5][Int($0)] }, owners: owners) == 0.25)
        #expect(TokenGroups.collisionRate(codes: owners.map { [9, 4, 7, 5][Int($0)] }, owners: owners) == 0)
    }

    private static func rows(_ attention: MergedAttention) -> [String] {
        let mask = attention.mask
        return (0..<attention.length).map { row in (0..<attention.length).map { mask[row * attention.length + $0] ? "1" : "0" }.joined() }
    }
}

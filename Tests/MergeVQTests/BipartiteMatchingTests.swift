import MergeVQ
import TensorCore
import Testing

/// Matching where similarity says nothing.
@Suite struct BipartiteMatchingTests {
    /// Equal tokens as of an image of one colour, tokens of length zero, and such as a diverged model makes: the class token is never merged, and
    /// nothing is merged into it; so many tokens are left as there should be.
    @Test(arguments: [Float(1), 0, .infinity, .nan], [1, 2, 9, 10, 65])
    func theClassTokenStaysAlone(value: Float, length: Int) {
        let metric = Tensor(filledWith: value, [length, 3])
        for merges in 0...((length - 1) / 2) {
            let matching = BipartiteMatching(metric: metric.pointer, length: length, width: 3, merges: merges, pool: ThreadPool(threads: 2))
            #expect(matching.newLength == length - merges && matching.table[0] == 0)
            #expect(matching.table.count { $0 == 0 } == 1 && Set(matching.table) == Set(0..<Int32(length - merges)), "\(matching.table)")
        }
    }
}

import Kernels
import TensorCore

/// Bipartite soft matching of one image's tokens (spec 2.5): even positions (class token included) look for their most similar odd
/// position, and the most similar `merges` of them are merged into it.
///
/// Ties: the higher score first, then the lower index; the best partner is the one of lowest index. No gradient passes through.
public struct BipartiteMatching: Sendable, Equatable {
    /// For every position before the merge its position after: the unmerged even positions ascending, then all odd ones.
    public let table: [Int32]
    /// Tokens after the merge.
    public let newLength: Int

    /// - Parameters:
    ///   - metric: one row a token, row-major `[length, width]`; token 0 is the class token, which is never merged.
    ///   - merges: how many even tokens to merge, at most ⌊(length − 1)/2⌋.
    package init(metric: UnsafePointer<Float>, length: Int, width: Int, merges: Int, pool: ThreadPool) {
        precondition(merges >= 0 && merges <= (length - 1) / 2, "cannot merge \(merges) of \(length) tokens")
        let even = (length + 1) / 2
        let odd = length / 2
        let (best, partner) = BipartiteMatching.bestPartners(metric: metric, length: length, width: width, pool: pool)
        // Without the class token, which must stay even where no token has a score because the metric is not a number.
        let ranked = (1..<even).sorted { best[$0] != best[$1] ? best[$0] > best[$1] : $0 < $1 }
        let sources = ranked.prefix(merges)
        var isSource = [Bool](repeating: false, count: even)
        for u in sources { isSource[u] = true }
        let unmerged = even - merges
        var table = [Int32](repeating: 0, count: length)
        var rank: Int32 = 0
        for u in 0..<even where !isSource[u] {
            table[2 * u] = rank
            rank += 1
        }
        for w in 0..<odd { table[2 * w + 1] = Int32(unmerged + w) }
        for u in sources { table[2 * u] = Int32(unmerged + partner[u]) }
        self.table = table
        newLength = unmerged + odd
    }

    /// For every even position but the class token the odd position most similar to it, and the cosine of the two; of equals the first.
    private static func bestPartners(
        metric: UnsafePointer<Float>, length: Int, width: Int, pool: ThreadPool
    ) -> (best: [Float], partner: [Int]) {
        let even = (length + 1) / 2
        let odd = length / 2
        var best = [Float](repeating: -.infinity, count: even)
        var partner = [Int](repeating: 0, count: even)
        Storage.withScratch(length * width) { rows in
            for token in 0..<length {
                let row = metric + token * width
                // A zero row scores 0 everywhere instead of NaN.
                let norm = max(dot(row, row, count: width).squareRoot(), 1e-12)
                for i in 0..<width { rows[token * width + i] = row[i] / norm }
            }
            let blocks = Partition(even, about: 32)
            best.withUnsafeMutableBufferPointer { best in
                partner.withUnsafeMutableBufferPointer { partner in
                    nonisolated(unsafe) let (best, partner) = (best, partner)
                    pool.parallel(blocks.parts) { index in
                        for u in blocks[index] where u > 0 {
                            for w in 0..<odd {
                                let score = dot(rows + 2 * u * width, rows + (2 * w + 1) * width, count: width)
                                if score > best[u] { (best[u], partner[u]) = (score, w) }
                            }
                        }
                    }
                }
            }
        }
        return (best, partner)
    }
}

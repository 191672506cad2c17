import TensorCore
import Testing

/// Attention over a handful of tokens against the tiled computation, which has the plain definition as its oracle.
@Suite struct ShortAttentionTests {
    private let heads = 3
    private let width = 8

    private func random(_ shape: Shape, _ key: String) -> Tensor {
        let random = Philox(seed: 6, domain: key)
        return Tensor((0..<shape.count).map { Float(random.uniform(draw: $0) * 4 - 2) }, shape)
    }

    /// A mask for each of 37 samples; a query sees itself and some of the others.
    private func mask(_ samples: Int, _ tokens: Int) -> AttentionMask {
        AttentionMask(
            (0..<(samples * tokens * tokens)).map { index in
                let (sample, query, key) = (index / tokens / tokens, index / tokens % tokens, index % tokens)
                return key == query || (key * 5 + query + sample) % 3 == 0 ? 1 : 0
            }, samples: samples, queries: tokens, keys: tokens)
    }

    @Test(arguments: [1, 2, 5, ShortAttention.longest], [1, 4])
    func matchesTiledAttention(_ tokens: Int, _ threads: Int) {
        let pool = ThreadPool(threads: threads)
        let (batch, columns) = (37, heads * width)
        let (qkv, dy) = (random([batch, tokens, 3 * columns], "qkv"), random([batch, tokens, columns], "dy"))
        for mask in [mask(batch, tokens), .causal(tokens)] {
            let short = ShortAttention(heads: heads, headWidth: width)
            let tiled = Attention(heads: heads, headWidth: width)
            func operands(_ x: Tensor) -> [Attention.Operand] { (0..<3).map { Attention.Operand(x, column: $0 * columns) } }
            let (x, share) = (operands(qkv), Tensor(uninitialised: qkv.shape))
            let result = tiled.forward(q: x[0], k: x[1], v: x[2], keyBias: nil, mask: mask, pool: pool)
            let d = operands(share)
            tiled.backward(dy, q: x[0], k: x[1], v: x[2], result: result, dq: d[0], dk: d[1], dv: d[2], pool: pool)
            func distance(_ a: Tensor, _ b: Tensor) -> Float {
                zip(a.elements, b.elements).reduce(0) { max($0, ($1.0 - $1.1).isFinite ? abs($1.0 - $1.1) : .infinity) }
            }
            #expect(distance(short.forward(qkv, mask: mask, pool: pool), result.output) < 1e-5)
            #expect(distance(short.backward(dy, qkv, mask: mask, pool: pool), share) < 2e-5)
        }
    }

    /// Keys and values that nobody sees may be anything.
    @Test func unseenTokensAreNotRead() {
        let (tokens, columns) = (3, heads * width)
        let mask = AttentionMask([1, 0, 0, 1, 1, 0, 1, 0, 1], queries: tokens, keys: tokens)
        let pool = ThreadPool(threads: 1)
        let attention = ShortAttention(heads: heads, headWidth: width)
        let (qkv, dy) = (random([1, tokens, 3 * columns], "qkv"), random([1, tokens, columns], "dy"))
        let want = attention.forward(qkv, mask: mask, pool: pool).elements
        qkv.withElements { for c in columns..<(3 * columns) { $0[2 * 3 * columns + c] = .nan } }
        let (got, share) = (attention.forward(qkv, mask: mask, pool: pool).elements, attention.backward(dy, qkv, mask: mask, pool: pool).elements)
        // Only the last token sees itself.
        #expect(Array(got[..<(2 * columns)]) == Array(want[..<(2 * columns)]))
        #expect(share[(3 * columns)..<(6 * columns)].allSatisfy { $0.isFinite })
    }
}

import Foundation
import TensorCore
import Testing

/// Tiled attention against the plain definition in double precision.
@Suite struct AttentionTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let batch, heads, queries, keys, headWidth: Int
        let bias: Bool
        /// Of queries and keys; scores grow with its square.
        var scale: Float = 1
        var testDescription: String {
            "\(batch)×\(heads) heads, \(queries) queries, \(keys) keys of \(headWidth)" + (bias ? ", biased" : "") + ", scale \(scale)"
        }
    }

    /// One tile and many, tiles of unequal length, single rows; sharp distributions, where a tile's maximum outdoes the one before by far.
    static let cases = [
        Case(batch: 1, heads: 1, queries: 1, keys: 1, headWidth: 8, bias: false),
        Case(batch: 2, heads: 3, queries: 63, keys: 63, headWidth: 5, bias: true),
        Case(batch: 2, heads: 2, queries: 65, keys: 257, headWidth: 16, bias: false),
        Case(batch: 1, heads: 2, queries: 257, keys: 65, headWidth: 64, bias: true),
        Case(batch: 1, heads: 2, queries: 900, keys: 1, headWidth: 8, bias: true),
        Case(batch: 1, heads: 2, queries: 1, keys: 900, headWidth: 8, bias: true),
        Case(batch: 2, heads: 1, queries: 1025, keys: 1025, headWidth: 12, bias: true),
        Case(batch: 1, heads: 2, queries: 1025, keys: 1025, headWidth: 64, bias: false),
        Case(batch: 1, heads: 1, queries: 800, keys: 1400, headWidth: 16, bias: true, scale: 8),
    ]

    @Test(arguments: cases)
    func matchesTheDefinition(_ c: Case) {
        let pool = ThreadPool(threads: 2)
        let run = Run(c, pool: pool)
        let want = Definition(c, run)
        // Scores of up to scale² · d/√d are known to a unit in the last place; their exponentials are off by as much, relatively.
        let tolerance = 3e-6 * Double(max(1, c.scale * c.scale / 2))
        expectClose(run.output.elements, want.output, "output", tolerance: tolerance)
        for (got, (value, name)) in zip([run.dq, run.dk, run.dv], zip([want.dq, want.dk, want.dv], ["dq", "dk", "dv"])) {
            // With a single key the softmax is constant: dq and dk are 0.
            if c.keys == 1, name != "dv" {
                #expect(got.elements.allSatisfy { abs($0) < 1e-5 }, "\(name)")
            } else {
                expectClose(got.elements, value, name, tolerance: tolerance)
            }
        }
    }

    @Test(arguments: [63, 257, 900])
    func bitsDoNotDependOnThreads(_ length: Int) {
        let c = Case(batch: 1, heads: 3, queries: length, keys: length + 1, headWidth: 16, bias: true)
        expectSameBits("attention over \(length)") { pool in
            let run = Run(c, pool: pool)
            return [run.output, run.dq, run.dk, run.dv]
        }
    }

    /// What one tile has seen is forgotten when a later one has scores that are larger by more than floats span.
    @Test func laterTilesMayHoldFarLargerScores() {
        let (keys, width) = (2000, 4)
        let pool = ThreadPool(threads: 1)
        let q = Tensor(filledWith: 1, [1, 3, width])
        let k = Tensor(zeros: [1, keys, width])
        let v = random([1, keys, width], "v")
        let bias = Tensor((0..<keys).map { $0 == 1900 ? 3000 : -Float($0 % 7) * 1000 }, [1, keys])
        let y = Attention(heads: 1, headWidth: width).forward(q: .init(q), k: .init(k), v: .init(v), keyBias: bias, pool: pool).output
        for row in 0..<3 { #expect(y.slice(from: row * width, [width]).elements == v.slice(from: 1900 * width, [width]).elements) }
    }

    /// Attention on packed operands with other things in between, forward and back.
    struct Run {
        let q, k, v, dy: Tensor
        let bias: Tensor?
        let output, dq, dk, dv: Tensor

        init(_ c: Case, pool: ThreadPool) {
            let width = c.heads * c.headWidth
            q = random([c.batch, c.queries, width + 3], "q", scale: c.scale)
            let kv = random([c.batch, c.keys, 2 * width + 1], "kv", scale: c.scale)
            (k, v) = (kv, kv)
            dy = random([c.batch, c.queries, width], "dy")
            bias = c.bias ? random([c.batch, c.keys], "bias", scale: 2) : nil
            let attention = Attention(heads: c.heads, headWidth: c.headWidth)
            let (query, key, value) = (
                Attention.Operand(q, column: 2), Attention.Operand(kv), Attention.Operand(kv, column: width + 1)
            )
            let result = attention.forward(q: query, k: key, v: value, keyBias: bias, pool: pool)
            let gradients = [Tensor(zeros: q.shape), Tensor(zeros: kv.shape), Tensor(zeros: kv.shape)]
            attention.backward(
                dy, q: query, k: key, v: value, result: result, dq: .init(gradients[0], column: 2), dk: .init(gradients[1]),
                dv: .init(gradients[2], column: width + 1), pool: pool)
            output = result.output
            (dq, dk, dv) = (gradients[0], gradients[1], gradients[2])
        }
    }

    /// softmax(q·kᵀ/√d + bias)·v and its derivatives, sum by sum.
    struct Definition {
        var output, dq, dk, dv: [Double]

        init(_ c: Case, _ run: Run) {
            let (width, d) = (c.heads * c.headWidth, c.headWidth)
            let (q, k, v, dy) = (run.q.elements, run.k.elements, run.v.elements, run.dy.elements)
            let bias = run.bias?.elements
            let (qStride, kStride) = (width + 3, 2 * width + 1)
            output = [Double](repeating: 0, count: dy.count)
            dq = [Double](repeating: 0, count: q.count)
            dk = [Double](repeating: 0, count: k.count)
            dv = dk
            for b in 0..<c.batch {
                for h in 0..<c.heads {
                    for i in 0..<c.queries {
                        let qAt = (b * c.queries + i) * qStride + 2 + h * d
                        let yAt = (b * c.queries + i) * width + h * d
                        func keyAt(_ j: Int) -> Int { (b * c.keys + j) * kStride + h * d }
                        func valueAt(_ j: Int) -> Int { keyAt(j) + width + 1 }
                        var p = (0..<c.keys).map { j in
                            (0..<d).reduce(0.0) { $0 + Double(q[qAt + $1]) * Double(k[keyAt(j) + $1]) } / Double(d).squareRoot()
                                + Double(bias?[b * c.keys + j] ?? 0)
                        }
                        let largest = p.max() ?? 0
                        p = p.map { exp($0 - largest) }
                        let total = p.reduce(0, +)
                        p = p.map { $0 / total }
                        var dp = [Double](repeating: 0, count: c.keys)
                        for j in 0..<c.keys {
                            for t in 0..<d {
                                output[yAt + t] += p[j] * Double(v[valueAt(j) + t])
                                dp[j] += Double(dy[yAt + t]) * Double(v[valueAt(j) + t])
                                dv[valueAt(j) + t] += p[j] * Double(dy[yAt + t])
                            }
                        }
                        let inner = zip(p, dp).reduce(0.0) { $0 + $1.0 * $1.1 }
                        for j in 0..<c.keys {
                            let ds = p[j] * (dp[j] - inner) / Double(d).squareRoot()
                            for t in 0..<d {
                                dq[qAt + t] += ds * Double(k[keyAt(j) + t])
                                dk[keyAt(j) + t] += ds * Double(q[qAt + t])
                            }
                        }
                    }
                }
            }
        }
    }
}

import Foundation
import TensorCore
import Testing

/// Attention in which queries see some of the keys, against the plain definition in double precision.
@Suite struct MaskedAttentionTests {
    /// A query sees itself, a few keys after it, and of the keys before it every `stride`-th.
    private func mask(_ samples: Int, _ length: Int, stride: Int, ahead: Int = 0) -> AttentionMask {
        AttentionMask(
            (0..<(samples * length * length)).map { index in
                let (sample, query, key) = (index / length / length, index / length % length, index % length)
                return (query...(query + ahead)).contains(key) || (key < query && (key + sample) % stride == 0) ? 1 : 0
            }, samples: samples, queries: length, keys: length)
    }

    /// One block of queries and several, of keys too; in some of them nobody sees the first keys, or the last.
    @Test(arguments: [(5, 2, 0), (70, 3, 2), (200, 150, 3), (600, 1, 0), (900, 700, 1)])
    func matchesTheDefinition(_ length: Int, _ stride: Int, _ ahead: Int) {
        matchesTheDefinition(length, mask(2, length, stride: stride, ahead: ahead))
    }

    /// A window that moves: early keys are hidden from late queries, and no query sees the last key.
    @Test func matchesTheDefinitionInAWindow() {
        let length = 300
        let mask = AttentionMask(
            (0..<(length * length)).map { index in
                let (query, key) = (index / length, index % length)
                return key == 0 && query == 0 || (key < query && key + 40 > query) ? 1 : 0
            }, queries: length, keys: length)
        matchesTheDefinition(length, mask)
    }

    private func matchesTheDefinition(_ length: Int, _ mask: AttentionMask) {
        let (batch, heads, width) = (2, 2, 8)
        let pool = ThreadPool(threads: 2)
        let attention = Attention(heads: heads, headWidth: width)
        func random(_ key: String) -> Tensor {
            let random = Philox(seed: 5, domain: key)
            return Tensor((0..<(batch * length * heads * width)).map { Float(random.uniform(draw: $0) * 4 - 2) }, [batch, length, heads * width])
        }
        let (q, k, v, dy) = (random("q"), random("k"), random("v"), random("dy"))
        let result = attention.forward(q: .init(q), k: .init(k), v: .init(v), keyBias: nil, mask: mask, pool: pool)
        let (dq, dk, dv) = (Tensor(uninitialised: q.shape), Tensor(uninitialised: q.shape), Tensor(uninitialised: q.shape))
        attention.backward(dy, q: .init(q), k: .init(k), v: .init(v), result: result, dq: .init(dq), dk: .init(dk), dv: .init(dv), pool: pool)

        let (qs, ks, vs, dys) = (q.elements.map(Double.init), k.elements.map(Double.init), v.elements.map(Double.init), dy.elements.map(Double.init))
        var want = [[Double]](repeating: [Double](repeating: 0, count: q.count), count: 4)
        let factor = 1 / Double(width).squareRoot()
        for image in 0..<batch {
            for head in 0..<heads {
                func place(_ token: Int) -> Int { (image * length + token) * heads * width + head * width }
                for query in 0..<length {
                    let seen = (0..<length).filter { mask.sees(sample: image, query: query, key: $0) }
                    func dot(_ a: [Double], _ from: Int, _ b: [Double], _ to: Int) -> Double { (0..<width).reduce(0) { $0 + a[from + $1] * b[to + $1] } }
                    let powers = seen.map { exp(factor * dot(qs, place(query), ks, place($0))) }
                    let sum = powers.reduce(0, +)
                    let p = powers.map { $0 / sum }
                    let dp = seen.map { dot(dys, place(query), vs, place($0)) }
                    let mean = zip(p, dp).reduce(0) { $0 + $1.0 * $1.1 }
                    for (index, key) in seen.enumerated() {
                        let ds = p[index] * (dp[index] - mean) * factor
                        for c in 0..<width {
                            want[0][place(query) + c] += p[index] * vs[place(key) + c]
                            want[1][place(query) + c] += ds * ks[place(key) + c]
                            want[2][place(key) + c] += ds * qs[place(query) + c]
                            want[3][place(key) + c] += p[index] * dys[place(query) + c]
                        }
                    }
                }
            }
        }
        for (name, (got, want)) in zip(["output", "dq", "dk", "dv"], zip([result.output, dq, dk, dv], want)) {
            let worst = zip(got.elements, want).reduce(0.0) { max($0, $1.0.isFinite ? abs(Double($1.0) - $1.1) : .infinity) }
            let largest = want.reduce(1.0) { max($0, abs($1)) }
            #expect(worst <= 1e-5 * largest, "\(name) of \(length) tokens is off by \(worst)")
        }
    }

    /// Whatever a score of an unseen key is, its probability is 0 and so is its gradient; nothing of it reaches the others.
    @Test func unseenKeysDoNotMatter() {
        let (length, width) = (40, 8)
        let mask = AttentionMask((0..<(length * length)).map { $0 % length == 7 && $0 / length != 7 ? 0 : 1 }, queries: length, keys: length)
        let pool = ThreadPool(threads: 1)
        let attention = Attention(heads: 1, headWidth: width)
        func run(_ scale: Float) -> (output: [Float], share: [Float]) {
            let k = Tensor((0..<(length * width)).map { Float($0 % 11) - 5 }, [1, length, width])
            let q = Tensor((0..<(length * width)).map { Float($0 % 7) / 3 - 1 }, [1, length, width])
            for c in 0..<width { k.withElements { $0[7 * width + c] = scale } }
            let result = attention.forward(q: .init(q), k: .init(k), v: .init(q), keyBias: nil, mask: mask, pool: pool)
            let (dq, dk, dv) = (Tensor(uninitialised: q.shape), Tensor(uninitialised: q.shape), Tensor(uninitialised: q.shape))
            let dy = Tensor((0..<q.count).map { $0 / width == 7 ? 0 : 1 }, q.shape)
            attention.backward(
                dy, q: .init(q), k: .init(k), v: .init(q), result: result, dq: .init(dq), dk: .init(dk), dv: .init(dv), pool: pool)
            let output = result.output.elements.enumerated().filter { $0.offset / width != 7 }.map(\.element)
            return (output, Array(dk.elements[(7 * width)..<(8 * width)]) + Array(dv.elements[(7 * width)..<(8 * width)]))
        }
        let (small, huge) = (run(0), run(1e15))
        #expect(small.output == huge.output)
        #expect(small.share.allSatisfy { $0 == 0 } && huge.share.allSatisfy { $0 == 0 })
    }

    @Test func bitsDoNotDependOnThreads() {
        let length = 700
        let mask = mask(1, length, stride: 5)
        let x = Tensor((0..<(length * 16)).map { Float(($0 * 37) % 101) / 50 - 1 }, [1, length, 16])
        func run(_ threads: Int) -> [UInt32] {
            let pool = ThreadPool(threads: threads)
            let attention = Attention(heads: 2, headWidth: 8)
            let result = attention.forward(q: .init(x), k: .init(x), v: .init(x), keyBias: nil, mask: mask, pool: pool)
            let (dq, dk, dv) = (Tensor(uninitialised: x.shape), Tensor(uninitialised: x.shape), Tensor(uninitialised: x.shape))
            attention.backward(x, q: .init(x), k: .init(x), v: .init(x), result: result, dq: .init(dq), dk: .init(dk), dv: .init(dv), pool: pool)
            return [result.output, dq, dk, dv].flatMap { $0.elements.map(\.bitPattern) }
        }
        let want = run(1)
        for threads in 2...4 {
            let isSame = run(threads) == want
            #expect(isSame, "\(threads) threads")
        }
    }
}

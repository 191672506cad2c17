import Kernels
import Synchronization
import TensorCore
import Testing

@Suite struct ThreadPoolTests {
    @Test(arguments: [1, 2, 3, 8])
    func everyTileRunsOnce(_ threads: Int) {
        let pool = ThreadPool(threads: threads)
        for count in [0, 1, 2, 7, 1000] {
            let runs = (0..<max(count, 1)).map { _ in Counter() }
            for _ in 0..<20 { pool.parallel(count) { runs[$0].value.add(1, ordering: .relaxed) } }
            #expect(runs.prefix(count).allSatisfy { $0.value.load(ordering: .relaxed) == 20 })
        }
    }

    private final class Counter: Sendable {
        let value = Atomic<Int>(0)
    }

    /// The bits of every parallel operation must not depend on the number of threads.
    @Test func bitsDoNotDependOnThreads() {
        func random(_ shape: Shape, _ key: String) -> Tensor {
            let philox = Philox(seed: 1, domain: key)
            return Tensor((0..<shape.count).map { Float(philox.uniform(draw: $0)) - 0.5 }, shape)
        }
        let x = random([3, 20, 24, 48], "x")
        let dy = random([3, 20, 24, 32], "dy")
        let weight = random([32, 3, 3, 48], "w")
        let tokens = random([2, 70, 96], "tokens")
        let gain = random([48], "gain")
        func results(_ threads: Int) -> [[Float]] {
            let pool = ThreadPool(threads: threads)
            let convolution = Convolution(stride: 1, padding: 1)
            let weightGradient = Tensor(zeros: weight.shape)
            convolution.weightGradient(dy, input: x, into: weightGradient, beta: 0, pool: pool)
            let sums = Tensor(zeros: [32])
            dy.columnSums(into: sums, beta: 0, pool: pool)
            let attention = Attention(heads: 4, headWidth: 8)
            let out = attention.forward(
                q: .init(tokens), k: .init(tokens, column: 32), v: .init(tokens, column: 64), keyBias: nil, pool: pool
            ).output
            return [
                convolution.forward(x, weight: weight, bias: nil, pool: pool).elements,
                convolution.inputGradient(dy, weight: weight, shape: x.shape, pool: pool).elements,
                weightGradient.elements, sums.elements, out.elements,
                GroupNormalisation(shape: x.shape, groups: 4, epsilon: 1e-6, silu: true).forward(x, gain: gain, bias: gain, pool: pool).0.elements,
                [Float(dy.sumOfSquares(pool: pool))],
            ]
        }
        let one = results(1)
        for threads in [2, 3, 4] {
            for (a, b) in zip(one, results(threads)) { #expect(a.map(\.bitPattern) == b.map(\.bitPattern), "\(threads) threads") }
        }
    }
}

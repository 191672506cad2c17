import TensorCore

/// The speed of large matrix products in this process: what a step's speed is compared with.
struct SgemmPeak {
    private let pool: ThreadPool
    /// GFLOP/s, the best so far.
    private(set) var gflops = 0.0

    init(pool: ThreadPool) { self.pool = pool }

    /// Independent 1024³ products, one a thread, eight times; the fastest counts, and the fastest of all calls. Called before and after what is
    /// measured, so that a moment in which the machine was busy does not make the peak look low.
    mutating func measure() {
        let n = 1024
        let operands = (0..<pool.threads).map { _ in (Tensor(filledWith: 1, [n, n]), Tensor(filledWith: 1, [n, n]), Tensor(zeros: [n, n])) }
        let pool = pool
        let best = Timing.measure(runs: 8) {
            pool.parallel(pool.threads) { i in
                multiply(
                    MatrixOperand(operands[i].0.pointer, stride: n), MatrixOperand(operands[i].1.pointer, stride: n),
                    into: operands[i].2.pointer, stride: n, rows: n, columns: n, depth: n)
            }
        }
        gflops = max(gflops, Double(pool.threads) * 2 * Double(n * n * n) / best.minimum / 1e9)
    }
}

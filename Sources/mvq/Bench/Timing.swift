import Foundation
import TensorCore

/// Minimum and median of repeated timings, in seconds.
struct Timing: Encodable {
    let minimum: Double
    let median: Double

    /// Times `work` `runs` times, after once untimed.
    static func measure(runs: Int, _ work: () -> Void) -> Timing {
        work()
        let clock = ContinuousClock()
        let seconds = (0..<max(runs, 1)).map { _ -> Double in
            let (whole, fraction) = clock.measure(work).components
            return Double(whole) + Double(fraction) * 1e-18
        }.sorted()
        return Timing(minimum: seconds[0], median: seconds[seconds.count / 2])
    }

    func divided(by count: Double) -> Timing { Timing(minimum: minimum / count, median: median / count) }

    private init(minimum: Double, median: Double) {
        self.minimum = minimum
        self.median = median
    }

    /// `0.512 / 0.530`: minimum / median.
    var text: String { String(format: "%.4g / %.4g", minimum, median) }
}

/// The speed of large matrix products in this process: what a step's speed is compared with.
enum SgemmPeak {
    /// GFLOP/s of independent 1024³ products, one a thread; the best of eight.
    static func measure(pool: ThreadPool) -> Double {
        let n = 1024
        let operands = (0..<pool.threads).map { _ in (Tensor(filledWith: 1, [n, n]), Tensor(filledWith: 1, [n, n]), Tensor(zeros: [n, n])) }
        let best = Timing.measure(runs: 8) {
            pool.parallel(pool.threads) { i in
                multiply(
                    MatrixOperand(operands[i].0.pointer, stride: n), MatrixOperand(operands[i].1.pointer, stride: n),
                    into: operands[i].2.pointer, stride: n, rows: n, columns: n, depth: n)
            }
        }
        return Double(pool.threads) * 2 * Double(n * n * n) / best.minimum / 1e9
    }
}

/// The most memory this process has used, in bytes.
func peakResidentBytes() -> Int {
    var usage = rusage()
    getrusage(RUSAGE_SELF.rawValue, &usage)
    return usage.ru_maxrss * 1024
}

import Kernels
import TensorCore

/// What bounds generation on this machine: how fast memory is read, and how fast large products are made. Measured between the steps they are
/// compared with.
final class MachineRates {
    private let pool: ThreadPool
    private let memory = Tensor(filledWith: 1, [1 << 27])
    private var sgemm: SgemmPeak
    private var readTimes: [Double] = []

    init(pool: ThreadPool) {
        self.pool = pool
        sgemm = SgemmPeak(pool: pool)
        read()
        readTimes = []
    }

    /// Reads half a GiB once, in huge pages, with all threads.
    func measureReading() { readTimes.append(Timing.measureOnce(read)) }

    func measureProducts() { sgemm.measure() }

    /// Bytes a second, at the median time.
    var readBandwidth: Double { Double(memory.count * 4) / median(readTimes) }
    /// At the shortest time.
    var bestReadBandwidth: Double { Double(memory.count * 4) / (readTimes.min() ?? .infinity) }
    /// Multiplications and additions a second of 1024³ products by the BLAS library, one a thread; the best.
    var productRate: Double { sgemm.gflops * 1e9 }

    private func read() {
        let chunk = 1 << 18
        let sums = Tensor(zeros: [memory.count / chunk])
        pool.parallel(sums.count) { [memory] part in sums.pointer[part] = sum(memory.pointer + part * chunk, count: chunk) }
        precondition(sums.scalarSum > 0)
    }
}

extension Tensor {
    fileprivate var scalarSum: Float { sum(pointer, count: count) }
}

func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return sorted.isEmpty ? .nan : sorted[sorted.count / 2]
}

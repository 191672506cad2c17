import ArgumentParser
import CommandSupport
import Foundation
import TensorCore

/// `mvq bench gemm`: the matrix products that the model consists of.
struct BenchGemm: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gemm", abstract: "Times matrix products at the model's real shapes.",
        discussion: """
            Linear layers and 1×1 convolutions are cut into tiles over the threads, as in the model; of attention's and Winograd's products, which are
            single-threaded there too, every thread computes one of its own. Per cent are of the peak: 1024³ products, one a thread. M×N×K is
            rows × columns × depth; nt, nn, tn say which operand is transposed. Operands stay in the caches where they fit.

            When a shape is slow, try the kernel families: OPENBLAS_CORETYPE=Haswell mvq bench gemm, and SkylakeX.
            """)

    @Option(help: ArgumentHelp("Only products whose name contains this, e.g. linear, Winograd.", valueName: "name")) var only: String?
    @Option(help: "Threads that compute.") var threads = defaultThreads
    @Option(help: "Repetitions.") var runs = 5
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        try validateCount("--threads", threads)
        try validateCount("--runs", runs)
    }

    struct Row: Encodable {
        let product: String
        let rows: Int
        let columns: Int
        let depth: Int
        let form: String
        let gflopsBest: Double
        let gflopsMedian: Double
        /// Best over peak.
        let shareOfPeak: Double
    }

    struct Report: Encodable {
        let numericClass: String
        let threads: Int
        let sgemmPeakGflops: Double
        let products: [Row]
    }

    func run() throws {
        let pool = ThreadPool(threads: threads)
        let counter = ProgressCounter("timing product", after: 2)
        var peak = SgemmPeak(pool: pool)
        peak.measure()
        let products = MatrixProductCase.all.filter { product in only.map { product.name.containsIgnoringCase($0) } ?? true }
        guard !products.isEmpty else {
            throw ValidationError("--only \(only ?? ""): there is no such product; there are linear, 1×1, attention and Winograd")
        }
        let timings = products.enumerated().map { i, product in
            counter.update(i, of: products.count, product.name)
            return product.measure(runs: runs, pool: pool)
        }
        peak.measure()
        counter.finish()
        let rows = zip(products, timings).map { product, rate in
            Row(
                product: product.name, rows: product.rows, columns: product.columns, depth: product.depth, form: product.form.rawValue,
                gflopsBest: rate.best, gflopsMedian: rate.median, shareOfPeak: rate.best / peak.gflops)
        }
        if json {
            try printJSON(
                Report(numericClass: NumericEnvironment.numericClass, threads: threads, sgemmPeakGflops: peak.gflops, products: rows))
            return
        }
        print("\(threads) threads, \(NumericEnvironment.numericClass)")
        print(String(format: "peak (1024³, one a thread) %.0f GFLOP/s", peak.gflops))
        print("product".padded(to: 47) + "M×N×K".padded(to: 20) + "form   best / median GFLOP/s    % of peak")
        for row in rows {
            print(
                row.product.padded(to: 47) + "\(row.rows)×\(row.columns)×\(row.depth)".padded(to: 20) + row.form.padded(to: 7)
                    + String(format: "%7.0f /%7.0f %17.0f %%", row.gflopsBest, row.gflopsMedian, row.shareOfPeak * 100))
        }
    }
}

import ArgumentParser
import CommandSupport
import Foundation
import MergeVQ
import NeuralNet
import TensorCore
import Training

/// `mvq bench step`: what one training step of a worker costs.
struct BenchStep: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "step", abstract: "Times forward and forward + backward of a configuration's model, per image.",
        discussion: """
            Losses are reconstruction, commitment, entropy and source recovery; no optimizer, no image decoding. The figures are the minimum and
            the median over --runs repetitions, after one that warms up.

              mvq bench step --config configs/tokenizer-gr.yaml --threads 2
            """)

    @Option(help: ArgumentHelp("Configuration.", valueName: "file")) var config: String
    @Option(help: "Threads that compute.") var threads = defaultThreads
    @Option(help: "Images a pass.") var batch = 1
    @Option(help: "Repetitions.") var runs = 5
    @Flag(help: "Print JSON.") var json = false

    struct Result: Encodable {
        let config: String
        let threads: Int
        let batch: Int
        let runs: Int
        let keptTokens: Int
        let parameters: Int
        let forwardSecondsPerImage: Timing
        let forwardBackwardSecondsPerImage: Timing
        let sgemmPeakGflops: Double
        let peakResidentBytes: Int
    }

    func run() throws {
        let configuration = try RunConfiguration(file: config)
        let (tokenizer, layout) = Tokenizer.build(configuration.tokenizer)
        let weights = layout.initialWeights(seed: 1)
        let pool = ThreadPool(threads: threads)
        let size = configuration.model.imageSize
        let random = Philox(seed: 1, domain: "bench")
        let images = Tensor((0..<(batch * size * size * 3)).map { Float(random.uniform(draw: $0) * 2 - 1) }, [batch, size, size, 3])
        let kept = configuration.merging.keptTokens
        let gradients = Tensor(zeros: [layout.count])
        func pass(training: Bool) {
            let graph = Graph(weights: weights, gradients: training ? gradients : nil, pool: pool)
            let loss = tokenizer.loss(of: tokenizer(graph.constant(images), kept: kept), images: images, weights: configuration.lossWeights)
            if training { graph.backward(from: loss.total) }
        }
        let forward = Timing.measure(runs: runs) { pass(training: false) }
        let both = Timing.measure(runs: runs) { pass(training: true) }
        let result = Result(
            config: config, threads: threads, batch: batch, runs: runs, keptTokens: kept, parameters: layout.count,
            forwardSecondsPerImage: forward.divided(by: Double(batch)), forwardBackwardSecondsPerImage: both.divided(by: Double(batch)),
            sgemmPeakGflops: SgemmPeak.measure(pool: pool), peakResidentBytes: peakResidentBytes())
        if json {
            try printJSON(result)
        } else {
            print("\(config): \(layout.count) parameters, K \(kept), batch \(batch), \(threads) threads")
            print("  forward             \(result.forwardSecondsPerImage.text) s per image")
            print("  forward + backward  \(result.forwardBackwardSecondsPerImage.text) s per image")
            print(String(format: "  sgemm peak %.0f GFLOP/s, peak memory %.2f GiB", result.sgemmPeakGflops, Double(result.peakResidentBytes) / 0x1p30))
        }
    }
}

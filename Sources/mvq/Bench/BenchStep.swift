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
            The model is the tokenizer, its losses are reconstruction, commitment, entropy and source recovery: what a configuration says of
            perceptual, adversarial and alignment losses is left out, and so are their networks, which a step of training pays for besides. No
            optimizer, no image decoding. Times are the minimum and the median over --runs repetitions; the first pass, which also allocates, is
            reported apart as the warm-up.

            Algorithmic GFLOP/s are the operations of encoder and decoder by definition (two for every multiply-add of convolutions, linear layers,
            attention and matching products at the configuration's kept-token count; three times the forward count for forward + backward) over the
            time, whatever the algorithm really executes; source recovery and losses take time but do not count. The sgemm peak is that of 1024³
            products, one a thread, in the same process, the best before and after.

              mvq bench step --config configs/tokenizer-gr.yaml --threads 2
              mvq bench step --config configs/tokenizer-g.yaml --set training.recompute=blocks
            """)

    @Option(help: ArgumentHelp("Configuration.", valueName: "file")) var config: String
    @Option(name: .customLong("set"), help: ArgumentHelp("Override a configuration field; repeatable.", valueName: "key=value"))
    var set: [ConfigurationOverride] = []
    @Option(help: "Threads that compute.") var threads = defaultThreads
    @Option(help: "Images a pass.") var batch = 1
    @Option(help: "Repetitions.") var runs = 5
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        for (name, value) in [("--threads", threads), ("--batch", batch), ("--runs", runs)] { try validateCount(name, value) }
    }

    struct Result: Encodable {
        let config: String
        let threads: Int
        let batch: Int
        let runs: Int
        let numericClass: String
        let keptTokens: Int
        let recompute: String
        let parameters: Int
        /// Operations of encoder and decoder for one image, 10⁹.
        let forwardGflop: Double
        let forwardWarmUpSeconds: Double
        let forwardBackwardWarmUpSeconds: Double
        let forwardSecondsPerImage: Timing
        let forwardBackwardSecondsPerImage: Timing
        /// Of the forward pass; at the median and at the minimum of its time.
        let forwardAlgorithmicGflops: Double
        let forwardAlgorithmicGflopsBest: Double
        /// Of forward + backward; at the median and at the minimum of its time.
        let algorithmicGflops: Double
        let algorithmicGflopsBest: Double
        let sgemmPeakGflops: Double
        /// `algorithmicGflops` over `sgemmPeakGflops`.
        let ratioToSgemmPeak: Double
        let ratioToSgemmPeakBest: Double
        let peakResidentBytes: Int
        /// The most that was in tensors at once: weights, gradients, activations.
        let peakTensorBytes: Int
        /// How often tensors asked the system for memory after the warm-up.
        let steadyStateAllocations: Int
    }

    func run() throws {
        let configuration = try RunConfiguration(file: config, overrides: set.map { ($0.key, $0.value) })
        guard configuration.task == .tokenizer else {
            throw ConfigurationError(config, "is of a \(configuration.task.rawValue); 'mvq bench generator' measures steps of generators")
        }
        let result = measure(configuration.tokenizerLossesOnly)
        if json { try printJSON(result) } else { print(text(result)) }
    }

    private func measure(_ configuration: RunConfiguration) -> Result {
        let (tokenizer, layout) = Tokenizer.build(configuration.tokenizer)
        let weights = layout.initialWeights(seed: 1)
        let pool = ThreadPool(threads: threads)
        let size = configuration.model.imageSize
        let random = Philox(seed: 1, domain: "bench")
        let images = Tensor((0..<(batch * size * size * 3)).map { Float(random.uniform(draw: $0) * 2 - 1) }, [batch, size, size, 3])
        let kept = configuration.merging.keptTokens
        let gradients = Tensor(zeros: [layout.count])
        var (trainingPasses, warmUpAllocations) = (0, 0)
        func pass(training: Bool) {
            let graph = Graph(
                weights: weights, gradients: training ? gradients : nil, recomputation: configuration.training.recompute, pool: pool)
            let loss = tokenizer.loss(of: tokenizer(graph.constant(images), kept: kept), images: images, weights: configuration.lossWeights)
            guard training else { return }
            graph.backward(from: loss.total)
            trainingPasses += 1
            if trainingPasses == 1 { warmUpAllocations = TensorMemory.current.systemAllocations }
        }
        func time(_ what: String, training: Bool) -> (timing: Timing, warmUp: Double) {
            let counter = ProgressCounter("\(what), pass", after: 2)
            defer { counter.finish() }
            return Timing.measureWithWarmUp(runs: runs, progress: { counter.update($0, of: $1) }) { pass(training: training) }
        }
        var peak = SgemmPeak(pool: pool)
        peak.measure()
        let forward = time("forward", training: false)
        let both = time("forward + backward", training: true)
        let (memory, tensors) = (peakResidentBytes(), TensorMemory.current)
        peak.measure()

        let flops = ForwardPass(configuration.tokenizer, kept: kept).flops
        let (forwardTime, bothTime) = (forward.timing * (1 / Double(batch)), both.timing * (1 / Double(batch)))
        func rate(_ passes: Double, _ seconds: Double) -> Double { passes * flops / seconds / 1e9 }
        return Result(
            config: config, threads: threads, batch: batch, runs: runs, numericClass: NumericEnvironment.numericClass, keptTokens: kept,
            recompute: configuration.training.recompute.rawValue, parameters: layout.count, forwardGflop: flops / 1e9,
            forwardWarmUpSeconds: forward.warmUp, forwardBackwardWarmUpSeconds: both.warmUp, forwardSecondsPerImage: forwardTime, forwardBackwardSecondsPerImage: bothTime,
            forwardAlgorithmicGflops: rate(1, forwardTime.median), forwardAlgorithmicGflopsBest: rate(1, forwardTime.minimum),
            algorithmicGflops: rate(3, bothTime.median), algorithmicGflopsBest: rate(3, bothTime.minimum), sgemmPeakGflops: peak.gflops,
            ratioToSgemmPeak: rate(3, bothTime.median) / peak.gflops, ratioToSgemmPeakBest: rate(3, bothTime.minimum) / peak.gflops,
            peakResidentBytes: memory, peakTensorBytes: tensors.peakLiveBytes,
            steadyStateAllocations: tensors.systemAllocations - warmUpAllocations)
    }

    private func text(_ r: Result) -> String {
        func line(_ name: String, _ time: Timing, _ rates: (Double, Double), _ warmUp: Double) -> String {
            "  " + name.padded(to: 20)
                + String(
                    format: "%7.3f / %.3f s per image   %4.0f / %.0f GFLOP/s   warm-up %.1f s a pass", time.minimum, time.median, rates.0,
                    rates.1, warmUp)
        }
        return [
            "\(r.config): \(grouped(r.parameters)) parameters, K \(r.keptTokens), batch \(r.batch), \(r.threads) threads, \(r.runs) runs;"
                + " recompute \(r.recompute); best / median",
            line("forward", r.forwardSecondsPerImage, (r.forwardAlgorithmicGflopsBest, r.forwardAlgorithmicGflops), r.forwardWarmUpSeconds),
            line(
                "forward + backward", r.forwardBackwardSecondsPerImage, (r.algorithmicGflopsBest, r.algorithmicGflops),
                r.forwardBackwardWarmUpSeconds),
            String(
                format: "  sgemm peak %.0f GFLOP/s; forward + backward runs at %.2f / %.2f of it, algorithmically (%.1f GFLOP forward)",
                r.sgemmPeakGflops, r.ratioToSgemmPeakBest, r.ratioToSgemmPeak, r.forwardGflop),
            String(
                format: "  peak memory %.2f GiB, of it tensors %.2f GiB; asked for memory %ld times after the warm-up",
                Double(r.peakResidentBytes) / 0x1p30, Double(r.peakTensorBytes) / 0x1p30, r.steadyStateAllocations),
            "  \(r.numericClass)",
        ].joined(separator: "\n")
    }
}

import ArgumentParser
import CommandSupport
import Foundation
import Generators
import NeuralNet
import TensorCore

/// `mvq bench generator`: what one training step of stage 2 costs.
struct BenchGenerator: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generator", abstract: "Times forward, forward + backward and the optimizer's update of a stage-2 generator.",
        discussion: """
            The model has random weights, the images random codes in raster order; everything is dropped that training drops (0.1), labels are
            smoothed by 0.1. Forward + backward contains setting the gradient to zero, and times are of a whole pass, not an image. The update is
            the gradient's norm, clipping, AdamW and the weight average. Times are the minimum and the median over --runs repetitions after one
            that is not counted. Algorithmic GFLOP/s are two operations for every multiply-add of linear layers, heads and attention (the whole
            square of scores, though half of it is masked), times three for forward + backward, over the time; the sgemm peak is that of 1024³
            products, one a thread, in the same process.

              mvq bench generator --model large --batch 1 --threads 2
              mvq bench generator --model small --batch 8 --no-optimizer

            comparisons/torch_generator.py is the same step in PyTorch.
            """)

    enum Model: String, ExpressibleByArgument, CaseIterable {
        case large, small

        var configuration: GeneratorConfiguration {
            switch self {
            case .large: .large
            case .small: .small
            }
        }
    }

    @Option(help: "The paper's generator of 343 million parameters, or a small one.") var model = Model.large
    @Option(help: "Threads that compute.") var threads = defaultThreads
    @Option(help: "Images a pass.") var batch = 1
    @Option(help: "Repetitions.") var runs = 5
    @Flag(help: "Blocks keep nothing but their inputs and compute again in the backward pass.") var recompute = false
    @Flag(help: "Leave out the optimizer, which needs three more vectors of the weights' size.") var noOptimizer = false
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        for (name, value) in [("--threads", threads), ("--batch", batch), ("--runs", runs)] { try validateCount(name, value) }
    }

    struct Result: Encodable {
        let model: String
        let threads: Int
        let batch: Int
        let runs: Int
        let recompute: Bool
        let numericClass: String
        let parameters: Int
        /// Operations of one pass forward, 10⁹.
        let forwardGflop: Double
        /// Seconds a pass.
        let forward: Timing
        let forwardBackward: Timing
        /// Norm, clipping, AdamW, average; nil if left out.
        let update: Timing?
        /// Of forward + backward, at the median of its time.
        let algorithmicGflops: Double
        let sgemmPeakGflops: Double
        let ratioToSgemmPeak: Double
        /// Before the optimizer's vectors exist.
        let peakResidentBytes: Int
        let peakTensorBytes: Int
        let peakResidentBytesWithOptimizer: Int?
    }

    func run() throws {
        let result = measure()
        if json { try printJSON(result) } else { print(text(result)) }
    }

    private func measure() -> Result {
        var configuration = model.configuration
        configuration.labelSmoothing = 0.1
        let (generator, layout) = Generator.build(configuration)
        let pool = ThreadPool(threads: threads)
        let weights = randomWeights(layout, pool: pool)
        let gradients = Tensor(zeros: [layout.count])
        let images = randomImages(configuration)
        var passes = 0
        func pass(training: Bool) {
            passes += 1
            if training { gradients.fillInPlace(0, pool: pool) }
            let graph = Graph(weights: weights, gradients: training ? gradients : nil, recomputation: recompute ? .blocks : .none, pool: pool)
            let dropout = GeneratorDropout(configuration.dropout, seed: 1, step: passes, samples: Array(0..<batch))
            let result = generator(images, dropout: dropout, in: graph)
            if training { graph.backward(from: result.loss.total) }
        }
        func time(_ what: String, _ work: () -> Void) -> Timing {
            let counter = ProgressCounter("\(what), pass", after: 2)
            defer { counter.finish() }
            return Timing.measureWithWarmUp(runs: runs, progress: { counter.update($0, of: $1) }, work).timing
        }
        var peak = SgemmPeak(pool: pool)
        peak.measure()
        let forward = time("forward") { pass(training: false) }
        let both = time("forward + backward") { pass(training: true) }
        peak.measure()
        let (memory, tensors) = (peakResidentBytes(), TensorMemory.current.peakLiveBytes)
        let update = noOptimizer ? nil : time("update", updating(weights, gradients, pool: pool))
        let flops = forwardFlops(configuration) * Double(batch)
        let rate = 3 * flops / both.median / 1e9
        return Result(
            model: model.rawValue, threads: threads, batch: batch, runs: runs, recompute: recompute,
            numericClass: NumericEnvironment.numericClass, parameters: layout.count, forwardGflop: flops / 1e9, forward: forward,
            forwardBackward: both, update: update, algorithmicGflops: rate, sgemmPeakGflops: peak.gflops,
            ratioToSgemmPeak: rate / peak.gflops, peakResidentBytes: memory, peakTensorBytes: tensors,
            peakResidentBytesWithOptimizer: noOptimizer ? nil : peakResidentBytes())
    }

    /// The update of one step, which leaves the weights nearly where they are.
    private func updating(_ weights: Tensor, _ gradients: Tensor, pool: ThreadPool) -> () -> Void {
        var state = AdamW.State(weights: weights)
        let optimizer = AdamW(beta1: 0.9, beta2: 0.95, weightDecay: 0.05, emaDecay: 0.9999)
        return {
            let norm = gradients.sumOfSquares(pool: pool).squareRoot()
            let part = AdamW.Part(range: 0..<weights.count, gradientScale: clippingFactor(norm: norm, limit: 1))
            optimizer.update(&state, gradient: gradients, learningRate: 1e-6, parts: [part], pool: pool)
        }
    }

    /// Gains of 1, everything else uniform with deviation 0.02: as many bits of work as trained weights, made faster than `initialWeights`.
    private func randomWeights(_ layout: ParameterLayout, pool: ThreadPool) -> Tensor {
        let weights = Tensor(uninitialised: [layout.count])
        for parameter in layout.parameters {
            weights.slice(from: parameter.offset, parameter.shape).withElements { elements in
                nonisolated(unsafe) let elements = elements
                let block = 1 << 16
                pool.parallel((elements.count + block - 1) / block) { index in
                    for place in (index * block)..<min((index + 1) * block, elements.count) {
                        let word = Philox.mix(UInt64(parameter.offset + place))
                        elements[place] = parameter.shape.rank == 1 ? 1 : (Float(word >> 40) * 0x1p-23 - 1) * 0.034_641
                    }
                }
            }
        }
        return weights
    }

    private func randomImages(_ configuration: GeneratorConfiguration) -> Generator.Images {
        let random = Philox(seed: 1, domain: "bench")
        func codes(_ values: Int, _ draw: Int) -> [Int32] {
            (0..<(batch * configuration.cells)).map { Int32(random.integer(below: values, sample: $0, draw: draw)) }
        }
        return Generator.Images(
            classes: (0..<batch).map { Int32(random.integer(below: configuration.classes, sample: $0)) }, pre: codes(configuration.preCodes, 1),
            post: codes(configuration.postCodes, 2))
    }

    /// Operations of one image, forward.
    private func forwardFlops(_ c: GeneratorConfiguration) -> Double {
        let products = Double(4 * c.width * c.width + 3 * c.width * c.hidden)
        let length = Double(c.cells)
        func block(tokens: Double, attended: Double) -> Double { tokens * (2 * products + 4 * attended * Double(c.width)) }
        return Double(c.layers) * block(tokens: length, attended: length) + Double(c.intraLayers) * block(tokens: 2 * length, attended: 2)
            + length * 2 * Double(c.width * (c.preCodes + c.postCodes))
    }

    private func text(_ r: Result) -> String {
        func line(_ name: String, _ time: Timing) -> String {
            "  " + name.padded(to: 20) + String(format: "%7.3f / %.3f s", time.minimum, time.median)
        }
        var lines = [
            "\(r.model) generator: \(grouped(r.parameters)) parameters, batch \(r.batch), \(r.threads) threads, \(r.runs) runs;"
                + "\(r.recompute ? " recompute;" : "") best / median",
            line("forward", r.forward), line("forward + backward", r.forwardBackward),
        ]
        if let update = r.update { lines.append(line("update", update)) }
        lines.append(
            String(
                format: "  forward + backward at %.0f GFLOP/s, %.2f of the sgemm peak of %.0f (%.1f GFLOP forward)", r.algorithmicGflops,
                r.ratioToSgemmPeak, r.sgemmPeakGflops, r.forwardGflop))
        lines.append(
            String(
                format: "  peak memory %.2f GiB, of it tensors %.2f GiB", Double(r.peakResidentBytes) / 0x1p30,
                Double(r.peakTensorBytes) / 0x1p30)
                + (r.peakResidentBytesWithOptimizer.map { String(format: "; with the optimizer %.2f GiB", Double($0) / 0x1p30) } ?? ""))
        lines.append("  \(r.numericClass)")
        return lines.joined(separator: "\n")
    }
}

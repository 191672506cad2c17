import ArgumentParser
import CommandSupport
import Foundation
import Generators
import NeuralNet
import TensorCore

/// `mvq bench decode`: what generating costs.
struct BenchDecode: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decode", abstract: "Times generation with random weights: LlamaGen, MergeAR's compressed cache, RandAR's parallel steps.",
        discussion: """
            Four measurements, of which --only chooses one:

              single    LlamaGen, one image: codes a second over (read bandwidth ÷ bytes of weights a code reads)
              batch     LlamaGen, --images at a time
              merged    MergeAR with K different codes against the cache that keeps everything, guided: memory, time, and the speed-up over the
                        one that memory and sgemm allow
              random    RandAR, --steps steps for all codes of an image against one code a step, guided and not

            Weights are random, caches are filled without generating, and steps are timed at places spread over the sequence; both sides of a ratio
            in turns. The bound of a step is its matrices at the measured read bandwidth or sgemm rate (1024³, one a thread), whichever takes longer,
            plus the caches it reads at the read bandwidth. Blocks over the parts of a code count twice: they run for each part.

              mvq bench decode --only single
              mvq bench decode --only merged --cells 1024 --kept 256 --images 16
            """)

    enum Measurement: String, CaseIterable, ExpressibleByArgument { case single, batch, merged, random }

    @Option(help: "Only this measurement.") var only: Measurement?
    @Option(help: ArgumentHelp("Generator: large (343 million parameters) or small.", valueName: "size")) var size = "large"
    @Option(help: "Blocks over the sequence of the model that merged is measured with, where the whole model's caches would not fit; times count for all.")
    var layers: Int?
    @Option(help: "Cells of an image, a square, for merged.") var cells = 1024
    @Option(help: "Different codes of an image, for merged.") var kept = 256
    @Option(help: "Images at a time, for batch and merged.") var images = 64
    @Option(help: "Steps, for random.") var steps = 88
    @Option(help: "Threads that compute.") var threads = defaultThreads
    @Option(help: "Repetitions: places in the sequence, for merged rounds at each of 8 places, for random rounds.") var runs = 16
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        for (name, value) in [("--kept", kept), ("--images", images), ("--steps", steps), ("--threads", threads), ("--runs", runs)] {
            try validateCount(name, value)
        }
        guard size == "large" || size == "small" else { throw ValidationError("--size \(size): it must be large or small") }
        let side = Int(Double(cells).squareRoot())
        guard cells >= 4, side * side == cells else { throw ValidationError("--cells is \(cells); it must be a square from 4 on") }
        guard kept <= cells else { throw ValidationError("--kept is \(kept); an image has \(cells) cells") }
        if let layers { try validateCount("--layers", layers) }
    }

    struct Report: Encodable {
        let numericClass: String
        let threads: Int
        var single: SequentialDecoding?
        var batch: SequentialDecoding?
        var merged: CompressedDecoding?
        /// Blocks over the sequence that `merged` was measured with, if not all.
        var mergedLayers: Int?
        var random: [ParallelDecoding] = []
    }

    func run() throws {
        let pool = ThreadPool(threads: threads)
        var report = Report(numericClass: NumericEnvironment.numericClass, threads: threads)
        let base = size == "large" ? GeneratorConfiguration.large : .small
        func wants(_ measurement: Measurement) -> Bool { only == nil || only == measurement }
        if wants(.single) || wants(.batch) {
            let (decoder, parameters) = decoder(base, pool)
            if wants(.single) { report.single = try SequentialDecoding(decoder, parameters: parameters, images: 1, runs: runs, pool: pool) }
            if wants(.batch) { report.batch = try SequentialDecoding(decoder, parameters: parameters, images: images, runs: runs, pool: pool) }
        }
        if wants(.merged) {
            var configuration = base
            configuration.mergeIDs = 17
            configuration.grid = Int(Double(cells).squareRoot())
            configuration.layers = min(layers ?? base.layers, base.layers)
            report.mergedLayers = configuration.layers < base.layers ? configuration.layers : nil
            report.merged = try CompressedDecoding(
                decoder(configuration, pool).decoder, distinct: kept, images: images, places: 8, rounds: runs,
                layerScale: Double(base.layers) / Double(configuration.layers), pool: pool)
        }
        if wants(.random) {
            var configuration = base
            configuration.positionInstruction = true
            let (generator, layout) = Generator.build(configuration)
            let images = ImageCodeGenerator(generator, weights: randomWeights(layout), batch: 1, pool: pool)
            for guided in [false, true] {
                report.random.append(try ParallelDecoding(images, steps: steps, schedule: .randar, guided: guided, rounds: runs))
            }
        }
        if json { try printJSON(report) } else { print(report.text) }
    }

    private func decoder(_ configuration: GeneratorConfiguration, _ pool: ThreadPool) -> (decoder: TransformerDecoder, parameters: Int) {
        let (generator, layout) = Generator.build(configuration)
        return (TransformerDecoder(generator, weights: randomWeights(layout), pool: pool), layout.count)
    }

    /// Small numbers, quickly: what they are does not matter to the time.
    private func randomWeights(_ layout: ParameterLayout) -> Tensor {
        let weights = Tensor(uninitialised: [layout.count])
        weights.withElements { elements in
            var state: UInt32 = 1
            for i in elements.indices {
                state = state &* 1_664_525 &+ 1_013_904_223
                elements[i] = (Float(state >> 8) / 16_777_216 - 0.5) * 0.07
            }
        }
        return weights
    }
}

import ArgumentParser
import CommandSupport
import Foundation
import Generators
import ImageData
import Telemetry
import Training

/// `mvq generate`.
struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Makes images of classes with a trained generator and the tokenizer whose tokens it learnt.",
        discussion: """
            Sixteen images of class 207 in one picture, and 50 of every class as files:

              mvq generate --checkpoint runs/llamagen --tokenizer runs/first --class 207 --count 16 --cfg 1.75 --seed 7 --out grid.png
              mvq generate --checkpoint runs/llamagen --tokenizer runs/first --class all --count 50 --out-dir images

            An image depends on the checkpoints, the settings, the seed, its class and its number in the class, and on nothing else: other
            --class, --count, --batch and --threads give the same bytes.

            Guidance (--cfg) trades variety for likeness to the class: 1 is none, 1.5 to 4 is usual. With --cfg-schedule linear, which RandAR
            was made for, it grows from --cfg-start over the image. --temperature, --top-k and --top-p say how boldly codes are drawn: 1, 0, 1 is
            the model's own distribution, --temperature 0 the likeliest code. A code has two parts, of which the second takes the settings of
            the first where no --…-post is given.

            MergeAR is told how many different codes to make (--merge K, a square; fewer for simple pictures, in less memory):

              mvq generate --checkpoint runs/mergear --tokenizer runs/first --class 3 --merge 144 --out grid.png

            RandAR makes several codes a step (--steps T, the fewer the faster):

              mvq generate --checkpoint runs/randar --tokenizer runs/first --class 3 --steps 64 --cfg 3.4 --out grid.png
            """)

    @Option(help: ArgumentHelp("The generator: checkpoint file, or the folder of a run (its newest checkpoint).", valueName: "path"))
    var checkpoint: String
    @Option(help: ArgumentHelp("The tokenizer: checkpoint file, or the folder of a run.", valueName: "path"))
    var tokenizer: String
    @Option(help: ArgumentHelp("RandAR: source recovery in place of the tokenizer's own: checkpoint file, or the folder of a run.", valueName: "path"))
    var recovery: String?
    @Option(name: .customLong("class"), help: ArgumentHelp("Numbers or names of classes with commas between them, or 'all'.", valueName: "class,…"))
    var classes: ClassChoice
    @Option(help: ArgumentHelp("Images of each class.", valueName: "count")) var count = 16
    @Option(help: ArgumentHelp("The picture to write: all images side by side (default: generated.png, if there is no --out-dir).", valueName: "file"))
    var out: String?
    @Option(help: ArgumentHelp("Folder for the images as files, CLASS-NUMBER.png; made if it is not there.", valueName: "dir"))
    var outDir: String?
    @Option(help: ArgumentHelp("Keys everything that is drawn.", valueName: "number")) var seed = 0

    @OptionGroup(title: "How codes are drawn") var sampling: SamplingOptions

    @Option(help: ArgumentHelp("MergeAR: different codes to ask for, a square (default: the fewest that it has learnt).", valueName: "K"))
    var merge: Int?
    @Option(help: ArgumentHelp("RandAR: calls of the model (default: 64 for 144 tokens, 88 for 256).", valueName: "T")) var steps: Int?
    @Option(help: ArgumentHelp("RandAR: how many codes each call makes: randar, evenly growing; arccos, most at the end.", valueName: "name"))
    var parallelSchedule: ParallelSchedule?

    @Option(help: "Weights of the generator: ema (averaged) or raw.") var weights = TokenizerCheckpoint.Weights.ema
    @Option(help: "Weights of the tokenizer: ema or raw, those that made the generator's tokens.") var tokenizerWeights = TokenizerCheckpoint.Weights.ema
    @Option(help: ArgumentHelp("Images that are made at a time.", valueName: "count")) var batch = 16
    @Option(help: ArgumentHelp("Threads that compute (default: the machine's cores).", valueName: "count")) var threads = defaultThreads
    @Flag(help: "Print JSON.") var json = false

    /// Images in one picture.
    private static let largestPicture = 4096

    func validate() throws {
        for (name, value) in [("--count", count), ("--batch", batch), ("--threads", threads)] { try validateCount(name, value) }
        guard seed >= 0 else { throw ValidationError("--seed is \(seed); it must be 0 or more") }
        if let out { try requireFolder(of: out) }
    }

    private var settings: GenerationSettings {
        var settings = sampling.settings
        settings.keptTokens = merge
        settings.steps = steps
        settings.parallelSchedule = parallelSchedule
        settings.seed = UInt64(seed)
        return settings
    }

    func run() throws {
        let (models, images, labels) = try load()
        let samples = labels.flatMap { label in (0..<count).map { ImageGenerator.Sample(label: label, index: $0) } }
        let picture = out ?? (outDir == nil ? "generated.png" : nil)
        guard picture == nil || samples.count <= GenerateCommand.largestPicture else {
            throw ValidationError("a picture of \(samples.count) images is too large; give --out-dir and no --out, or fewer images")
        }
        if let outDir { try makeFolder(outDir) }
        let report = try generate(samples, images, keeping: picture != nil)
        if let picture {
            let columns = labels.count > 1 ? count : Int(Double(count).squareRoot().rounded(.up))
            try ImageFile.write(ImageGrid.compose(report.pictures, columns: columns), to: picture)
        }
        let summary = GenerationSummary(
            models, labels: labels, perClass: count, settings: settings, report: report, picture: picture, folder: outDir)
        if json { try printJSON(summary) } else { print(summary.text) }
    }

    /// Reads both models and checks everything that can be wrong with what was asked for. Of the checkpoints nothing stays but what generation needs.
    private func load() throws -> (models: GenerationSummary.Models, images: ImageGenerator, labels: [Int]) {
        let generator = try GeneratorCheckpoint(path: checkpoint, weights: weights)
        let decoder = try TokenizerCheckpoint(path: tokenizer, weights: tokenizerWeights)
        for warning in [generator.warning, decoder.warning] { if let warning { StandardError.write("mvq: \(warning)\n") } }
        let labels = try classes.labels(
            classes: generator.configuration.generatorConfiguration.classes, names: generator.classNames, generator: generator.file)
        _ = try settings.request(for: generator.configuration, classes: [], images: [])
        let recovery = try recovery.map { try RecoveryCheckpoint(path: $0, weights: .ema) }
        let images = try ImageGenerator(generator, tokenizer: decoder, recovery: recovery, batch: batch, threads: threads)
        return (GenerationSummary.Models(generator, decoder), images, labels)
    }

    private func generate(_ samples: [ImageGenerator.Sample], _ images: ImageGenerator, keeping: Bool) throws -> GenerationReport {
        let counter = ProgressCounter("generating codes")
        let start = ProcessInfo.processInfo.systemUptime
        var report = GenerationReport()
        try images.generate(
            samples, settings,
            progress: { codes, total, finished in
                let seconds = ProcessInfo.processInfo.systemUptime - start
                counter.update(
                    codes, of: total, "\(finished)/\(samples.count) images, \(Int(Double(codes) / max(seconds, 1e-3))) codes a second")
            },
            receive: { result in
                report.add(result)
                if keeping { report.pictures.append(result.image) }
                if let outDir {
                    try ImageFile.write(result.image, to: outDir + "/" + result.sample.fileName)
                }
            })
        counter.finish()
        report.seconds = ProcessInfo.processInfo.systemUptime - start
        return report
    }

    private func makeFolder(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw ValidationError("--out-dir \(path): cannot be made: \(error.localizedDescription)")
        }
    }
}

extension ParallelSchedule: ExpressibleByArgument {}
extension GenerationSettings.Schedule: ExpressibleByArgument {}

import ArgumentParser
import CommandSupport
import Foundation
import ImageData
import Telemetry
import Training

/// `mvq reconstruct`.
struct ReconstructCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reconstruct",
        abstract: "Reconstructs a folder's images with a trained tokenizer: a picture to look at, and how good it is.",
        discussion: """
            The picture shows, row by row, original | reconstruction | reconstruction with predicted source | merge map, where positions of one
            colour are one token; with several K, the last three for each of them.

              mvq reconstruct --checkpoint runs/first --data imagenet --out grid.png
              mvq reconstruct --checkpoint runs/first --data imagenet --kept-tokens all --rows 0 --json
            """)

    @Option(help: ArgumentHelp("Checkpoint file, or the folder of a run (its newest checkpoint).", valueName: "path"))
    var checkpoint: String
    @Option(help: ArgumentHelp("ImageNet-layout folder.", valueName: "dir"))
    var data: String
    @Option(help: ArgumentHelp("Which part of it.", valueName: "train|val"))
    var split = "val"
    @Option(help: ArgumentHelp("The picture to write.", valueName: "file"))
    var out = "reconstruction.png"
    @Option(help: ArgumentHelp("Images in the picture.", valueName: "count"))
    var rows = 8
    @Option(
        help: ArgumentHelp(
            "Kept-token counts K, e.g. 25,36,64, or 'all' that training draws (default: the configuration's target).", valueName: "K,…"))
    var keptTokens: KeptTokens?
    @Option(help: "Weights: ema (averaged) or raw.")
    var weights = TokenizerCheckpoint.Weights.ema
    @Option(help: ArgumentHelp("Use only so many images, spread over the folder.", valueName: "count"))
    var limit: Int?
    @Option(help: ArgumentHelp("Threads that compute (default: the machine's cores).", valueName: "count"))
    var threads = defaultThreads
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        guard rows >= 0 else { throw ValidationError("--rows is \(rows); it must be 0 or more") }
        guard threads >= 1 else { throw ValidationError("--threads is \(threads); it must be 1 or more") }
        let folder = URL(fileURLWithPath: out).deletingLastPathComponent().path
        guard rows == 0 || FileManager.default.fileExists(atPath: folder) else {
            throw ValidationError("--out \(out): there is no folder \(folder); make it first")
        }
        guard limit.map({ $0 >= 1 }) ?? true else { throw ValidationError("--limit must be 1 or more") }
    }

    func run() throws {
        let trained = try TokenizerCheckpoint(path: checkpoint, weights: weights)
        if let warning = trained.warning { StandardError.write("mvq: \(warning)\n") }
        let folder = try ImageFolder(root: data, split: split)
        let evaluation = try TokenizerEvaluation(
            trained, keptTokens: keptTokens?.counts(trained.configuration) ?? [trained.configuration.merging.keptTokens],
            perceptual: perceptualNetwork(of: trained), threads: threads)
        let counter = ProgressCounter("reconstructing")
        let report = try evaluation.run(
            folder, samples: TokenizerEvaluation.samples(limit, of: folder), examples: rows, progress: { counter.update($0, of: $1) })
        counter.finish()
        if let picture = report.picture { try ImageFile.write(picture, to: out) }
        if json {
            print("[\n" + report.records.map { "  " + $0.json }.joined(separator: ",\n") + "\n]")
        } else {
            for record in report.records { print("step \(record.step), \(record.title): \(record.text)") }
            if !report.examples.isEmpty {
                let source = trained.tokenizer.recovery == nil ? "" : " | with predicted source"
                let columns = "reconstruction\(source) | merge map"
                let more = report.records.count > 1 ? ", the last \(source.isEmpty ? 2 : 3) for K " + evaluation.keptTokens.map(String.init).joined(separator: ", ") : ""
                print("picture (original | \(columns)\(more)): \(out)")
            }
        }
    }

    /// For LPIPS; a network whose file is not on this machine only costs that measure.
    private func perceptualNetwork(of trained: TokenizerCheckpoint) -> EvaluationNetwork? {
        do {
            return try EvaluationNetwork.perceptual(trained.configuration)
        } catch {
            StandardError.write("mvq: LPIPS is left out: \(error)\n")
            return nil
        }
    }
}

/// Numbers of kept tokens on a command line.
enum KeptTokens: ExpressibleByArgument {
    case all
    case some([Int])

    init?(argument: String) {
        if argument == "all" {
            self = .all
            return
        }
        let texts = argument.split(separator: ",", omittingEmptySubsequences: false)
        let counts = texts.compactMap { Int($0) }
        guard counts.count == texts.count, !counts.isEmpty else { return nil }
        self = .some(counts)
    }

    func counts(_ configuration: RunConfiguration) -> [Int] {
        switch self {
        case .all: configuration.tokenizer.keptTokens.candidates
        case .some(let counts): counts
        }
    }
}

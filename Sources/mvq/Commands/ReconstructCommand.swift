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
        abstract: "Reconstructs a folder's images with a trained tokenizer: a picture to look at, and the PSNR.",
        discussion: """
            The picture shows, row by row, original | reconstruction | merge map, where positions of one colour are one token.

              mvq reconstruct --checkpoint runs/first --data imagenet --out grid.png
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
    @Option(help: ArgumentHelp("Kept-token count K (default: the configuration's target).", valueName: "count"))
    var keptTokens: Int?
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
        let count = min(limit ?? folder.count, folder.count)
        let samples = (0..<count).map { $0 * folder.count / count }
        let reconstruction = try Reconstruction(trained, kept: keptTokens, threads: threads)
        let counter = ProgressCounter("reconstructing")
        let (summary, examples) = try reconstruction.run(folder, samples: samples, examples: rows) { counter.update($0, of: $1) }
        counter.finish()
        if !examples.isEmpty {
            // Small images are enlarged, so that the picture can be looked at as it is.
            let factor = max(1, 192 / trained.configuration.model.imageSize)
            let pictures = examples.flatMap { [$0.original, $0.reconstruction, $0.mergeMap] }
            let grid = ImageGrid.compose(pictures.map { $0.enlarged(by: factor) }, columns: 3)
            try ImageFile.write(grid, to: out)
        }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            print(String(decoding: try encoder.encode(summary), as: UTF8.self))
        } else {
            print(
                String(
                    format: "step %d, %d images, K %d: PSNR %.2f dB, L1 %.4f, codebook usage %.1f %%", summary.step, summary.images,
                    summary.keptTokens, summary.psnr, summary.l1, summary.codebookUsage * 100))
            if !examples.isEmpty { print("picture (original | reconstruction | merge map): \(out)") }
        }
    }
}

extension TokenizerCheckpoint.Weights: ExpressibleByArgument {}

import ArgumentParser
import CommandSupport
import Fleet
import Foundation
import ImageData
import Telemetry
import TensorCore
import Training

/// `mvq tokenize`.
struct TokenizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenize",
        abstract: "Turns a folder's images into a file of tokens, which generators learn from.",
        discussion: """
            One record for every image (and its mirror image, with --views 2) and number K of kept tokens: the codes, and which raster cells each
            token stands for. docs/token-format.md says how to read the file with h5py.

              mvq tokenize --checkpoint runs/first --data imagenet --views 2 --out tokens.h5
              mvq tokenize --checkpoint runs/first --data imagenet --views 2 --keep sampled --out tokens.h5 --picture tokens.png

            It may be interrupted at any time; the same command continues (what is done so far lies beside the file, in tokens.h5.partial). The
            file does not depend, to the bit, on --threads and --batch or on interruptions. 'mvq inspect tokens.h5' shows what it holds.

            Other machines share the work if 'mvq-coordinator --task tokenize' is started instead, with the same arguments, and workers
            ('mvq-worker'); the file is the same to the bit.
            """)

    @Option(help: ArgumentHelp("Checkpoint file, or the folder of a run (its newest checkpoint).", valueName: "path"))
    var checkpoint: String
    @Option(help: ArgumentHelp("ImageNet-layout folder.", valueName: "dir"))
    var data: String
    @Option(help: ArgumentHelp("The file to write.", valueName: "file"))
    var out: String
    @OptionGroup var tokens: TokenizationArguments
    @Option(help: ArgumentHelp("Images that are written to the disk together.", valueName: "count"))
    var batch = 64
    @Option(help: ArgumentHelp("Threads that compute, an image each (default: the machine's cores).", valueName: "count"))
    var threads = defaultThreads
    @Option(help: ArgumentHelp("A picture of some of the images and what their tokens decode to.", valueName: "file"))
    var picture: String?
    @Option(help: ArgumentHelp("Images in the picture.", valueName: "count"))
    var rows = 8
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        guard batch >= 1 else { throw ValidationError("--batch is \(batch); it must be 1 or more") }
        guard threads >= 1 else { throw ValidationError("--threads is \(threads); it must be 1 or more") }
        guard rows >= 1 else { throw ValidationError("--rows is \(rows); it must be 1 or more") }
        for (option, path) in [("--out", out), ("--picture", picture ?? out)] {
            let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
            guard FileManager.default.fileExists(atPath: folder) else {
                throw ValidationError("\(option) \(path): there is no folder \(folder); make it first")
            }
        }
    }

    func run() throws {
        let trained = try TokenizerCheckpoint(path: checkpoint, weights: tokens.weights)
        if let warning = trained.warning { StandardError.write("mvq: \(warning)\n") }
        let tokenization = try Tokenization(trained, data: data, settings: tokens.settings(for: trained), to: out)
        let progress = RecordProgress()
        // What is done lies in the partial file: this may end anywhere.
        let signals = TerminationSignals { _ in
            Launch.exit(with: FleetExit(exitCode: Fleet.ExitCode.preempted, text: "stopped; the same command continues"))
        }
        let file = try withExtendedLifetime(signals) {
            try tokenization.run(threads: threads, batch: batch, progress: { progress.update($0, of: $1) })
        }
        progress.finish()
        if let picture {
            let image = try TokenPicture.compose(
                file, rows: rows, tokenizer: trained, folder: tokenization.folder, pool: ThreadPool(threads: threads))
            try ImageFile.write(image, to: picture)
        }
        let summary = try TokenSummary(file)
        if json {
            try printJSON(summary)
        } else {
            print(summary.text)
            if let picture { print("picture (image | for every K: decoded, tokens): \(picture)") }
        }
    }
}

/// Records done, how fast, and when all will be: on a terminal over and over, elsewhere once a minute.
final class RecordProgress {
    private let counter = ProgressCounter("tokenising")
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var rate = ExponentialRate(timeConstant: 30, startingAt: ProcessInfo.processInfo.systemUptime)
    private var before: Int?
    private var noted = ProcessInfo.processInfo.systemUptime

    func update(_ done: Int, of all: Int) {
        let now = ProcessInfo.processInfo.systemUptime
        defer { before = done }
        // Of what an earlier process has done nothing is known.
        guard let before else { return counter.update(done, of: all, done > 0 ? "continued" : "") }
        rate.add(Double(done - before), at: now)
        let perSecond = rate.perSecond ?? 0
        let left = perSecond > 0 ? Double(all - done) / perSecond : .infinity
        let detail = "\(Formatting.number(perSecond)) records/s, \(Formatting.duration(seconds: left)) left"
        counter.update(done, of: all, detail)
        if !isTerminal, now - noted > 60 {
            noted = now
            StandardError.write("tokenising \(done)/\(all)  \(detail)\n")
        }
    }

    func finish() { counter.finish() }
}

import ArgumentParser
import Foundation
import ImageData
import Training

/// `mvq dataset`.
struct DatasetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dataset", abstract: "Makes and examines image folders.", subcommands: [Synthesize.self, Inspect.self])

    struct Synthesize: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Draws a labelled set of procedural JPEGs in ImageNet's folder layout.",
            discussion: """
                For trying things out when no ImageNet is at hand: every class is a family of shapes and textures in varied colours, positions and
                sizes. The same seed gives the same files.

                  mvq dataset synthesize --out data/synthetic
                """)

        @Option(help: ArgumentHelp("Folder to fill; must be absent or empty.", valueName: "dir"))
        var out: String
        @Option(help: "Number of classes.") var classes = 10
        @Option(help: "Training images a class.") var perClass = 100
        @Option(help: "Validation images a class (default: a tenth of --per-class, at least 1).") var valPerClass: Int?
        @Option(help: "Side of the square images in pixels.") var size = 64
        @Option(help: "Of all randomness.") var seed: UInt64 = 1

        func run() throws {
            let synthesizer = try DatasetSynthesizer(
                DatasetSynthesizer.Settings(
                    classes: classes, perClass: perClass, validationPerClass: valPerClass ?? max(1, perClass / 10), size: size, seed: seed))
            let counter = ProgressCounter("drawing images")
            try synthesizer.write(to: out) { counter.update($0, of: $1) }
            counter.finish()
            print("\(out): \(classes) classes, \(perClass) training and \(valPerClass ?? max(1, perClass / 10)) validation images each")
        }
    }

    struct Inspect: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Counts classes and images, their sizes, and finds files that cannot be read.",
            discussion: "Decodes every image; exit code 65 if one cannot be used.")

        @Argument(help: "ImageNet-layout folder.") var directory: String
        @Flag(help: "Read only the headers: faster, finds less.") var headersOnly = false
        @Flag(help: "Print JSON.") var json = false

        func run() throws {
            let counter = ProgressCounter("reading images")
            let report = try DatasetReport(inspecting: directory, decode: !headersOnly) { counter.update($0, of: $1) }
            counter.finish()
            print(json ? report.json() : report.text)
            if !report.isSound { throw ArgumentParser.ExitCode(65) }
        }
    }
}

import ArgumentParser
import Foundation
import Training

/// `mvq import`.
struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Turns pretrained weights of other software into a file that runs can use.",
        discussion: """
            Nothing is ever downloaded: get the files yourself (docs/weights.md says where and how), then import each once.

            Reads safetensors and HDF5. Every name and shape is checked; the table shows what was found, what is missing, has a wrong shape, or is
            unknown, and any of these faults ends the import with exit code 65. Arrays known to be of no use here, such as classifier heads, are
            listed and left out. F16 and BF16 become F32 exactly, F64 is rounded to F32.

              vgg16       torchvision's VGG16 (the classifier is left out)
              lpips       the linear layers of LPIPS v0.1 for VGG16
              perceptual  both of these in one file, from one file or two
              dinov2      DINOv2 ViT-B/14 or ViT-S/14, names of Hugging Face, timm or the original
              tokenizer   a MergeVQ tokenizer, official or from mvq export; an official file needs --config. What comes out is good for
                          mvq reconstruct --checkpoint

              mvq import vgg16.safetensors lpips.safetensors --kind perceptual --out perceptual.h5
              mvq import dinov2-base.safetensors --kind dinov2 --out dinov2.h5
              mvq import mergevq-gr.safetensors --kind tokenizer --config configs/tokenizer-gr.yaml --out mergevq-gr.h5
            """)

    @Argument(help: ArgumentHelp("Safetensors or HDF5 file; two for perceptual.", valueName: "file"))
    var files: [String]
    @Option(help: ArgumentHelp("What the files hold.", valueName: PretrainedKind.allCases.map(\.rawValue).joined(separator: "|")))
    var kind: PretrainedKind
    @Option(help: ArgumentHelp("Configuration of a tokenizer (default: the one in the file, if mvq export wrote it).", valueName: "file"))
    var config: String?
    @Option(help: ArgumentHelp("File to write (.h5).", valueName: "file"))
    var out: String
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        guard kind == .perceptual || files.count == 1 else {
            throw ValidationError("--kind \(kind.rawValue) takes one file, not \(files.count)")
        }
        guard config == nil || kind == .tokenizer else { throw ValidationError("--config is for --kind tokenizer only") }
        guard out.hasSuffix(".h5") else { throw ValidationError("--out \(out): the name must end in .h5") }
        try requireFolder(of: out)
        let manifest = out.dropLast(3) + ".json"
        guard !FileManager.default.fileExists(atPath: String(manifest)) else {
            throw ValidationError("--out \(out): \(manifest) would be taken for its manifest; choose another name")
        }
        func real(_ path: String) -> String { URL(fileURLWithPath: path).resolvingSymlinksInPath().path }
        guard !files.contains(where: { real($0) == real(out) }) else {
            throw ValidationError("--out \(out) is also a file to import; choose another name")
        }
    }

    func run() throws {
        let weights = try WeightImport(files, kind: kind, configuration: config)
        // The table comes first: it explains the complaint that may follow.
        if !json {
            print(weights.report.text)
        } else if !weights.report.isComplete {
            try printJSON(Result(report: weights.report, outcome: nil))
        }
        let counter = ProgressCounter("importing MB", after: 2)
        let outcome = try weights.write(to: out) { counter.update($0 / 1_000_000, of: $1 / 1_000_000) }
        counter.finish()
        if json {
            try printJSON(Result(report: weights.report, outcome: outcome))
        } else {
            print("\n" + ImportCommand.text(outcome, kind))
        }
    }

    private struct Result: Encodable {
        let report: ImportReport
        let outcome: WeightImport.Outcome?
    }

    private static func text(_ outcome: WeightImport.Outcome, _ kind: PretrainedKind) -> String {
        var lines = ["\(outcome.file): \(kind.title), \(outcome.arrays) arrays, \(grouped(outcome.parameters)) numbers"]
        for (type, count) in outcome.converted.sorted(by: { $0.key < $1.key }) {
            lines.append("  \(count) arrays converted from \(type) to F32, \(type == "F64" ? "rounded" : "exactly")")
        }
        if outcome.notFinite > 0 { lines.append("  WARNING: \(grouped(outcome.notFinite)) numbers are NaN or infinite") }
        lines += outcome.sourceSha256.map { "  SHA-256 of the source \($0)" }
        return lines.joined(separator: "\n")
    }
}

/// Makes sure that a file's folder is there before work begins.
func requireFolder(of path: String) throws {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    guard FileManager.default.fileExists(atPath: folder) else {
        throw ValidationError("--out \(path): there is no folder \(folder); make it first")
    }
}

extension PretrainedKind: ExpressibleByArgument {}

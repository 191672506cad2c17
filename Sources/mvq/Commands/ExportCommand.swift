import ArgumentParser
import Foundation
import Telemetry
import Training

/// `mvq export`.
struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Writes the weights of a checkpoint as safetensors under the official names.",
        discussion: """
            The file holds F32 tensors named and shaped as in the official PyTorch code, and as texts the configuration, the step, the build and a
            digest over everything. mvq import --kind tokenizer gives back the same bits. In Python:

              from safetensors.torch import load_file
              weights = load_file("tokenizer.safetensors")

              mvq export --checkpoint runs/first --ema --out tokenizer.safetensors
            """)

    @Option(help: ArgumentHelp("Checkpoint file, or the folder of a run (its newest checkpoint).", valueName: "path"))
    var checkpoint: String
    @Flag(help: "The averaged weights, which evaluation uses, in place of the ones that training left.") var ema = false
    @Flag(help: "Both: the averages beside the weights, named model_ema.… without dots as in the official checkpoints.") var both = false
    @Option(help: ArgumentHelp("File to write (.safetensors).", valueName: "file"))
    var out: String
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        guard !(ema && both) else { throw ValidationError("--ema and --both exclude each other") }
        guard out.hasSuffix(".safetensors") else { throw ValidationError("--out \(out): the name must end in .safetensors") }
        try requireFolder(of: out)
    }

    func run() throws {
        let counter = ProgressCounter("exporting MB", after: 2)
        let weights: WeightExport.Weights = both ? .both : ema ? .averaged : .raw
        let outcome = try WeightExport.write(checkpoint: checkpoint, weights: weights, to: out) {
            counter.update($0 / 1_000_000, of: $1 / 1_000_000)
        }
        counter.finish()
        if let warning = outcome.warning { StandardError.write("mvq: \(warning)\n") }
        if json {
            try printJSON(outcome)
        } else {
            print("\(out): step \(outcome.step), \(outcome.tensors) tensors, \(grouped(outcome.parameters)) numbers, SHA-256 \(outcome.sha256)")
        }
    }
}

import ArgumentParser
import Checkpoints
import Fleet
import Foundation
import Training

/// `mvq inspect`.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Prints what a checkpoint or a file of tokens holds, or what model a configuration describes.",
        discussion: """
            Of a checkpoint: step, configuration, digests, every tensor; exit code 66 if it is damaged. Of a file of tokens: records, codes, where
            they come from; exit code 65 if it is damaged. Of a configuration: the parameters of every
            module that it trains, and of the networks that only judge; tokens, and the floating-point operations of the tokenizer's forward pass
            over one image.

              mvq inspect runs/first
              mvq inspect --config configs/tokenizer-gr.yaml
            """)

    @Argument(help: "Checkpoint or file of tokens (.h5), or the folder of a run (its latest checkpoint).") var path: String?
    @Option(help: ArgumentHelp("Configuration whose model to describe.", valueName: "file")) var config: String?
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        guard (path == nil) != (config == nil) else {
            throw ValidationError("give either a checkpoint (a file or the folder of a run) or --config FILE")
        }
    }

    func run() throws {
        if let config {
            let configuration = try RunConfiguration(file: config)
            if [.generator, .recovery].contains(configuration.task) {
                let description = TokenModelDescription(configuration, file: config)
                if json { try printJSON(description) } else { print(description.text) }
            } else {
                let description = ModelDescription(configuration, file: config)
                if json { try printJSON(description) } else { print(description.text) }
            }
            return
        }
        guard let path else { return }
        if TokenFile.isTokenFile(path) {
            let summary = try TokenSummary(try TokenFile(path: path))
            if json { try printJSON(summary) } else { print(summary.text) }
            return
        }
        let summary = try CheckpointSummary(path: InspectCommand.file(path))
        // Of a file that cannot be opened, or had better not be, there is nothing to show.
        if summary.tensors.isEmpty, let damage = summary.damage {
            throw FleetExit(exitCode: Fleet.ExitCode.noCheckpoint, text: damage)
        }
        print(json ? try summary.json() : summary.text)
        if summary.damage != nil { throw ArgumentParser.ExitCode(Fleet.ExitCode.noCheckpoint) }
    }

    private static func file(_ path: String) throws -> String {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else { return path }
        let folder = path + "/checkpoints"
        guard let latest = CheckpointStore(directory: folder).latest else {
            throw TrainingError.noCheckpoint(folder: folder)
        }
        return latest
    }
}

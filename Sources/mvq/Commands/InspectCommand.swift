import ArgumentParser
import Checkpoints
import Fleet
import Foundation
import Training

/// `mvq inspect`.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Prints what a checkpoint holds: step, configuration, digests, every tensor.",
        discussion: "  mvq inspect runs/first")

    @Argument(help: "Checkpoint file (.h5), or the folder of a run (its latest checkpoint).") var path: String
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let summary = try CheckpointSummary(path: file())
        // Of a file that cannot even be opened there is nothing to show.
        if summary.step == nil, summary.tensors.isEmpty, let damage = summary.damage {
            throw FleetExit(exitCode: Fleet.ExitCode.noCheckpoint, text: damage)
        }
        print(json ? try summary.json() : summary.text)
        if summary.damage != nil { throw ArgumentParser.ExitCode(Fleet.ExitCode.noCheckpoint) }
    }

    private func file() throws -> String {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else { return path }
        let folder = path + "/checkpoints"
        guard let latest = CheckpointStore(directory: folder).latest else {
            throw TrainingError.noCheckpoint(folder: folder)
        }
        return latest
    }
}

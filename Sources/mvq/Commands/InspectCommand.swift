import ArgumentParser
import Checkpoints
import Fleet

/// `mvq inspect`.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Prints what a checkpoint holds: step, configuration, digests, every tensor.",
        discussion: "  mvq inspect runs/first/checkpoints/step-00000300.h5")

    @Argument(help: "Checkpoint file (.h5).") var file: String
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let summary = try CheckpointSummary(path: file)
        // Of a file that cannot even be opened there is nothing to show.
        if summary.step == nil, summary.tensors.isEmpty, let damage = summary.damage {
            throw FleetExit(exitCode: Fleet.ExitCode.noCheckpoint, text: damage)
        }
        print(json ? try summary.json() : summary.text)
        if summary.damage != nil { throw ArgumentParser.ExitCode(Fleet.ExitCode.noCheckpoint) }
    }
}

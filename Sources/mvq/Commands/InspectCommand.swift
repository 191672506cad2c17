import ArgumentParser
import Checkpoints

/// `mvq inspect`.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Prints what a checkpoint holds: step, configuration, digests, every tensor.",
        discussion: "  mvq inspect runs/first/checkpoints/step-00000300.h5")

    @Argument(help: "Checkpoint file (.h5).") var file: String
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let summary = try CheckpointSummary(path: file)
        print(json ? try summary.json() : summary.text)
        if summary.damage != nil { throw ArgumentParser.ExitCode(66) }
    }
}

import ArgumentParser
import Fleet
import Training

/// `mvq audit`.
struct AuditCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Rechecks the folder of a run: was every image seen exactly once an epoch, was nothing changed since?",
        discussion: """
            Nothing is computed and nothing is changed; a coordinator may be at work in the folder. Checked are

              the journal's chain of digests, and that its steps follow one another;
              epoch, kept tokens, learning rate and samples of every step against the plan that follows from config.yaml;
              that the blocks of every step are all its slots, each once, and the audit hash made of them; at an epoch's end against that of
              every sample once;
              every checkpoint: file, tensors, settings, and that its weights are those that the journal names;
              that evaluations belong to steps of the journal, and metrics are complete (a warning).

            What the journal says of gradients and losses only computing can check: mvq replay.

            Exit codes: 0 all of it holds, 67 something does not (the first problem is named), 64 no run there, 65 --data is not the run's
            dataset, 78 config.yaml cannot be read.

              mvq audit runs/first
            """)

    @Argument(help: ArgumentHelp("Folder of the run.", valueName: "run")) var runDirectory: String
    @Option(help: ArgumentHelp("The run's ImageNet-layout folder (default: the checkpoints say how many images it has).", valueName: "dir"))
    var data: String?
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let counter = ProgressCounter("audit:")
        let report = try RunAudit.report(on: runDirectory, data: data) { counter.update($1, of: $2, $0) }
        counter.finish()
        if json { try printJSON(report) } else { print(report.text) }
        guard let first = report.problems.first else { return }
        let more = report.problems.count > 1 ? " (and \(report.problems.count - 1) more)" : ""
        throw FleetExit(
            exitCode: Fleet.ExitCode.replayMismatch,
            text: "\(runDirectory)/\(first)\(more); restore what was changed from a copy, or compute it again from a checkpoint in a new --run")
    }
}

import ArgumentParser
import CommandSupport
import Telemetry
import Training

/// `mvq replay`.
struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Computes a step of a run again, alone, and compares every digest with the journal.",
        discussion: """
            Starts from the newest checkpoint at or before the step and computes from there up to it, in one process, whoever computed it then.
            Nothing in the folder is changed. The machine must be of the run's numeric class (mvq doctor prints it).

            Exit codes: 0 all equal, 67 something came out differently (the first difference is named), 64 the step is not in the journal,
            65 --data is not the run's dataset or has a bad image, 66 no checkpoint before the step, 78 configuration or numeric class.

              mvq replay runs/first --step 117 --data imagenet
            """)

    @Argument(help: ArgumentHelp("Folder of the run.", valueName: "run")) var runDirectory: String
    @Option(help: ArgumentHelp("The step, counted from 0 as in the journal.", valueName: "number")) var step: Int
    @Option(help: ArgumentHelp("The run's ImageNet-layout folder.", valueName: "dir")) var data: String
    @Option(help: ArgumentHelp("Threads that compute (default: the machine's cores).", valueName: "count")) var threads = defaultThreads
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        guard threads >= 1 else { throw ValidationError("--threads is \(threads); it must be 1 or more") }
    }

    func run() throws {
        let counter = ProgressCounter("replaying, slot")
        let report = try RunReplay.report(on: runDirectory, step: step, data: data, threads: threads) { counter.update($0, of: $1, "step \($2)") }
        counter.finish()
        for error in report.skipped { StandardError.write("mvq: damaged checkpoint skipped: \(error)\n") }
        if json {
            try printJSON(report)
        } else {
            print("\(runDirectory): from \(report.checkpoint)")
            for step in report.steps {
                let digests = [("samples", step.samplesDigest), ("gradient", step.gradientDigest), ("weights", step.weightsDigest)]
                print("step \(step.step) equal: " + digests.map { "\($0) \($1.prefix(16))" }.joined(separator: ", "))
            }
        }
        if let error = report.error { throw error }
    }
}

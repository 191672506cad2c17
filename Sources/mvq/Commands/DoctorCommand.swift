import ArgumentParser
import Fleet

/// `mvq doctor`.
struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Examines this machine: what it has, how fast it multiplies, whether training can run.",
        discussion: """
            Prints CPU, memory, BLAS kernels with a quick sgemm figure, the numeric class, library versions, limits and the free disk of a run's
            folder; then problems, which keep mvq from running, and notes, which only cost time, each with its mend. Takes about a second.

            The numeric class is what decides the last bits of results: BLAS library and kernel family, C library, CPU level and compiler of the
            build. All machines of a run must have the same. mvq chooses the fastest kernels of each CPU, so machines of different kinds may
            differ: then set OPENBLAS_CORETYPE=Haswell on all of them.

            Exit codes: 0 fit to run (perhaps with notes), 74 the run's folder cannot be written or has less than 1 GiB free, 78 any other problem,
            a CPU without AVX2 among them.

              mvq doctor --run runs/first
            """)

    @Option(name: .customLong("run"), help: ArgumentHelp("Folder of a run, made or to be made: is there room?", valueName: "dir"))
    var runDirectory: String?
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let report = DoctorReport(run: runDirectory)
        if json { try printJSON(report) } else { print(report.text) }
        if report.exitCode != Fleet.ExitCode.done { throw ArgumentParser.ExitCode(report.exitCode) }
    }
}

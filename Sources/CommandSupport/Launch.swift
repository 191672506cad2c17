import ArgumentParser
import Failpoints
import Fleet
import Foundation
import Telemetry
import TensorCore
import Training

/// Starts a command: numeric environment first, then arguments, then `run()`; every error becomes one line on standard error and an exit
/// code (README, "Exit codes").
public enum Launch {
    public static func main(_ command: (some ParsableCommand).Type) {
        // Nothing else may run first: what is compiled for this level would end with an illegal instruction.
        if let missing = NumericEnvironment.missingCPUFeature { exit(with: FleetExit(exitCode: ExitCode.configuration, text: missing)) }
        NumericEnvironment.prepare()
        // A reader of our output that goes away is no reason to end.
        signal(SIGPIPE, SIG_IGN)
        do {
            if let warning = try Failpoints.warning() { StandardError.write("\(warning)\n") }
            var parsed = try command.parseAsRoot()
            try parsed.run()
        } catch let error as any ExitCoded {
            exit(with: FleetExit(error))
        } catch let error as FaultPlan.Failure {
            exit(with: FleetExit(exitCode: ExitCode.usage, text: error.description))
        } catch let error as ArgumentParser.ExitCode {
            leave(error.rawValue)
        } catch {
            switch command.exitCode(for: error) {
            // Help and version texts, on standard output.
            case .success: command.exit(withError: error)
            case .validationFailure:
                let problem = command.message(for: error)
                // The help that fits is named at the end of the parser's own, longer text.
                let full = command.fullMessage(for: error).components(separatedBy: "See '")
                let help = full.count > 1 ? full.last?.split(separator: "'").first.map(String.init) : nil
                let link = problem.hasSuffix(".") || problem.hasSuffix("?") ? " See" : "; see"
                exit(with: FleetExit(exitCode: ExitCode.usage, text: "\(problem)\(link) '\(help ?? "\(command._commandName) --help")'"))
            default: exit(with: FleetExit(exitCode: ExitCode.software, text: "\(error)"))
            }
        }
    }

    /// Prints the text as one line and ends the process.
    public static func exit(with end: FleetExit) -> Never {
        if end.exitCode != ExitCode.done {
            let name = CommandLine.arguments.first.map { URL(fileURLWithPath: $0).lastPathComponent } ?? "mvq"
            let line = end.text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: " ")
            StandardError.write("\(name): \(line)\n")
        }
        leave(end.exitCode)
    }

    /// Ends the process without running the libraries' destructors: a worker's compute thread may still be inside one of them.
    private static func leave(_ exitCode: Int32) -> Never {
        fflush(nil)
        _exit(exitCode)
    }
}

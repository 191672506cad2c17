import ArgumentParser
import Fleet
import Foundation
import TensorCore
import Training

/// Starts a command: numeric environment first, then arguments, then `run()`; every error becomes one line on standard error and an exit
/// code (README, "Exit codes").
public enum Launch {
    public static func main(_ command: (some ParsableCommand).Type) {
        NumericEnvironment.prepare()
        if let missing = NumericEnvironment.missingCPUFeature { exit(with: FleetExit(exitCode: ExitCode.configuration, text: missing)) }
        do {
            var parsed = try command.parseAsRoot()
            try parsed.run()
        } catch let error as any ExitCoded {
            exit(with: FleetExit(error))
        } catch {
            command.exit(withError: error)
        }
    }

    /// Prints the line and ends the process.
    public static func exit(with end: FleetExit) -> Never {
        if end.exitCode != ExitCode.done {
            let name = CommandLine.arguments.first.map { URL(fileURLWithPath: $0).lastPathComponent } ?? "mvq"
            FileHandle.standardError.write(Data("\(name): \(end.text)\n".utf8))
        }
        Foundation.exit(end.exitCode)
    }
}

/// Calls back when the process is asked to end (SIGTERM, SIGINT), with how often it was asked. What comes within a second counts as one request:
/// a terminal's Ctrl-C and the launching script's SIGTERM arrive together.
// Sendable: set up once, then only read.
public final class TerminationSignals: @unchecked Sendable {
    private var sources: [any DispatchSourceSignal] = []
    private let queue = DispatchQueue(label: "mvq.signals")
    private var count = 0
    private var last: Double?

    public init(_ handler: @escaping @Sendable (_ times: Int) -> Void) {
        for number in [SIGTERM, SIGINT] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { [self] in
                let now = ProcessInfo.processInfo.systemUptime
                if let last, now - last < 1 { return }
                last = now
                count += 1
                handler(count)
            }
            source.resume()
            sources.append(source)
        }
    }
}

/// Number of threads to compute with by default: the cores of this machine.
public var defaultThreads: Int { ProcessInfo.processInfo.activeProcessorCount }

/// `--set key=value` of a configuration.
public struct ConfigurationOverride: ExpressibleByArgument, Sendable {
    public let key: String
    public let value: String

    public init?(argument: String) {
        guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex else { return nil }
        key = String(argument[..<equals])
        value = String(argument[argument.index(after: equals)...])
    }
}

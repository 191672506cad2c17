import ArgumentParser
import CommandSupport
import Fleet
import Foundation
import Logging
import Synchronization
import TensorCore
import Training
import Transport

@main
struct Main {
    static func main() { Launch.main(WorkerCommand.self) }
}

/// `mvq-worker`: computes gradients for a coordinator.
struct WorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mvq-worker",
        abstract: "Computes gradients for a coordinator; start as many as you like, stop them when you like.",
        discussion: """
              mvq-worker --connect tcp://127.0.0.1:7700 --data imagenet
              mvq-worker --connect tcp://127.0.0.1:7700         # images come from the coordinator

            A coordinator on another machine admits workers by their keys (see 'mvq keygen --help'):

              mvq-worker --connect tcp://head:7700 --keys mvq-keys --data imagenet

            A worker keeps no state: it may be killed at any instant and another takes over its work. When the coordinator is gone it keeps
            trying to reconnect. SIGTERM (or Ctrl-C) hands its work back and ends it.

            Exit codes: 0 done, 64 usage, 65 bad data, 69 no coordinator in time, or the machine computed wrongly, 77 keys that are missing,
            do not fit or are not admitted, 78 other build, configuration or numeric class; when the
            coordinator ends the run, the worker ends with the coordinator's code, e.g. 75 when it was stopped to be continued later.
            """,
        version: BuildVersion.current)

    @Option(help: ArgumentHelp("The coordinator's address, tcp://host:port.", valueName: "address"))
    var connect: String

    @Option(help: ArgumentHelp("The worker's own copy of the dataset; without it the coordinator sends the images.", valueName: "dir"))
    var data: String?

    @Option(help: ArgumentHelp("The worker's folder of 'mvq keygen': talks to the coordinator of its coordinator.public alone, encrypted. Needed for any coordinator on another machine.", valueName: "dir"))
    var keys: String?

    @Flag(help: "Talk to a coordinator on another machine without keys: whoever is in between can read and change everything.")
    var insecure = false

    @Option(help: ArgumentHelp("Threads that compute (default: the machine's cores).", valueName: "count"))
    var threads = defaultThreads

    @Option(help: ArgumentHelp("Give up (exit code 69) after so long without a coordinator.", valueName: "seconds"))
    var orphanSeconds = 1800.0

    @Option(help: ArgumentHelp("How much to log: debug, info, warning or error.", valueName: "level"))
    var logLevel = Logger.Level.info

    func validate() throws {
        guard threads >= 1 else { throw ValidationError("--threads is \(threads); it must be 1 or more") }
        guard keys == nil || !insecure else { throw ValidationError("--keys and --insecure exclude each other; leave one out") }
        guard (0.001...1e9).contains(orphanSeconds) else {
            throw ValidationError("--orphan-seconds is \(orphanSeconds); it must be more than 0, and at most 1e9")
        }
    }

    func run() throws {
        try OpenFileLimit.require()
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        var logger = Logger(label: "mvq-worker")
        logger.logLevel = logLevel
        let security: WorkerSecurity =
            if let keys { .keys(try WorkerKeys(folder: keys)) } else if insecure { .insecure } else { .loopbackOnly }
        try security.check(connect: connect)
        if insecure { logger.warning("INSECURE: whoever is between here and \(connect) can read and change everything; give --keys instead") }
        let running = Mutex<WorkerLoop?>(nil)
        let signals = TerminationSignals { times in
            guard times == 1, let loop = running.withLock({ $0 }) else { _exit(0) }
            loop.requestStop(reason: "asked to stop")
        }
        let source = try data.map { try SampleSources.open($0) }
        let fingerprint = try source?.datasetFingerprint()
        let worker = WorkerRun(source: source, threads: threads) { [logger] text, isRoutine in
            logger.log(level: isRoutine ? .debug : .info, "\(text)")
        }
        var timing = FleetTiming()
        timing.orphanTimeout = .seconds(orphanSeconds)
        let hello = Hello(
            buildVersion: BuildVersion.current, numericClass: NumericEnvironment.numericClass,
            hostName: ProcessInfo.processInfo.hostName, processID: Int(ProcessInfo.processInfo.processIdentifier),
            process: SessionID(high: .random(in: 0...UInt64.max), low: .random(in: 0...UInt64.max)), threads: threads,
            datasetFingerprint: fingerprint)
        let loop = try WorkerLoop(address: connect, hello: hello, timing: timing, security: security, delegate: worker)
        running.withLock { $0 = loop }
        let end = withExtendedLifetime(signals) { loop.run() }
        if end.exitCode == ExitCode.done { logger.info("\(end.text)") }
        Launch.exit(with: end)
    }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}

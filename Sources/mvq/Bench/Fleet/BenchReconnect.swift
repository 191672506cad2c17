import ArgumentParser
import CommandSupport
import Fleet
import Foundation
import Synchronization
import Transport

/// `mvq bench reconnect`: how soon a large fleet is back after its coordinator's death, and how soon workers' deaths are noticed.
struct BenchReconnect: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reconnect", abstract: "Times how soon a thousand workers are back after the coordinator was killed, and how soon it notices dead workers.",
        discussion: """
            The workers are real sessions over loopback (sockets, protocol, back-off), many in each process, with a model of 4 KiB. A coordinator of its own
            process waits until all are ready; it is killed, and its successor started on the same port at once. At last one process of workers is
            killed, as by a crash, and another one stopped, which looks like a machine without power: connections stay, nobody speaks. The times are
            until the last of its workers is given up, which is when its block goes to another.
            """)

    @Option(help: "Workers in all.") var workers = 1000
    @Option(help: "Processes that they are in.") var processes = 4
    @Option(help: "How often the coordinator is killed.") var rounds = 3
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        for (name, value) in [("--workers", workers), ("--processes", processes), ("--rounds", rounds)] { try validateCount(name, value) }
    }

    struct Round: Encodable {
        /// From the kill to the last worker's `ready`.
        let seconds: Double
        let coordinator: ProcessUsage
    }

    struct Result: Encodable {
        let workers: Int
        let processes: Int
        /// From the start of the worker processes.
        let firstSeconds: Double
        let rounds: [Round]
        /// From the kill of a process of workers until all of them are given up.
        let killedSeconds: Double
        /// Likewise, from its stop.
        let stoppedSeconds: Double
        var secondsMedian: Double { Timing(of: rounds.map(\.seconds)).median }
    }

    func run() throws {
        func coordinator(_ generation: Int, _ listen: String) throws -> (BenchProcess, String) {
            let child = try BenchProcess([
                "bench", "reconnect-coordinator", "--workers", "\(workers)", "--generation", "\(generation)", "--listen", listen,
            ])
            guard let endpoint = child.next(String.self) else { throw FleetExit(exitCode: ExitCode.software, text: "the coordinator did not start") }
            return (child, endpoint)
        }
        func ready(_ child: BenchProcess) throws -> ProcessUsage {
            guard let usage = child.next(ReconnectLine.self)?.ready else { throw FleetExit(exitCode: ExitCode.software, text: "the coordinator ended before all were ready") }
            return usage
        }
        var (child, endpoint) = try coordinator(1, "tcp://127.0.0.1:*")
        let start = Instant.current
        let fleets = try (0..<processes).map { number in
            let share = workers * (number + 1) / processes - workers * number / processes
            return try BenchProcess(["bench", "reconnect-workers", "--connect", endpoint, "--sessions", "\(share)"])
        }
        _ = try ready(child)
        let first = start.duration(to: .current).inSeconds
        var all: [Round] = []
        for round in 1...rounds {
            let start = Instant.current
            child.kill()
            (child, endpoint) = try coordinator(1 + round, endpoint)
            let usage = try ready(child)
            all.append(Round(seconds: start.duration(to: .current).inSeconds, coordinator: usage))
        }
        var lost = 0
        /// How long it takes until so many more are given up.
        func giveUp(_ count: Int, since start: Instant) throws -> Double {
            let target = lost + count
            while lost < target {
                guard let line = child.next(ReconnectLine.self) else { throw FleetExit(exitCode: ExitCode.software, text: "the coordinator ended too soon") }
                lost = line.lost ?? lost
            }
            return start.duration(to: .current).inSeconds
        }
        var (killed, stopped) = (Double.nan, Double.nan)
        if processes >= 2 {
            let (kill, share) = (Instant.current, workers / processes)
            fleets[0].kill()
            killed = try giveUp(share, since: kill)
            let pause = Instant.current
            fleets[1].pause()
            stopped = try giveUp(workers * 2 / processes - share, since: pause)
        }
        for process in fleets + [child] { process.kill() }
        let result = Result(
            workers: workers, processes: processes, firstSeconds: first, rounds: all, killedSeconds: killed, stoppedSeconds: stopped)
        guard !json else { return try printJSON(result) }
        print(String(format: "%ld workers in %ld processes: all ready %.1f s after their start", workers, processes, first))
        for (number, round) in all.enumerated() {
            print(
                String(
                    format: "  kill %ld: all ready again after %.1f s; coordinator %.1f CPU-s, %.0f MB, %ld open files, %ld threads", number + 1,
                    round.seconds, round.coordinator.cpuSeconds, Double(round.coordinator.peakResidentBytes) / 1e6, round.coordinator.openFiles,
                    round.coordinator.threads))
        }
        guard processes >= 2 else { return }
        print(String(format: "  a process of workers killed: all given up after %.2f s; stopped: after %.2f s", killed, stopped))
    }
}

/// What the coordinator of `mvq bench reconnect` prints.
struct ReconnectLine: Codable {
    /// All workers are ready.
    var ready: ProcessUsage?
    /// So many workers were lost so far.
    var lost: Int?
}

/// The coordinator of `mvq bench reconnect`: prints its address, what it has used when all workers are ready, and how many were lost.
struct ReconnectCoordinatorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reconnect-coordinator", abstract: "The coordinator of 'mvq bench reconnect'.", shouldDisplay: false)

    @Option var workers: Int
    @Option var generation: Int
    @Option var listen: String

    func run() throws {
        BenchProcess.endWithParent()
        let task = ExchangeTask(weightsBytes: 4096, gradientBytes: 4096, slots: 1, computeSeconds: 1e6, chunkBytes: 4096)
        let delegate = ExchangeCoordinator(task, steps: 1)
        let lost = Mutex(0)
        delegate.reported = { event in
            switch event {
            case .stepStarted: BenchProcess.report(ReconnectLine(ready: .current))
            case .lost:
                let count = lost.withLock { count in
                    count += 1
                    return count
                }
                BenchProcess.report(ReconnectLine(lost: count))
            default: break
            }
        }
        let loop = try CoordinatorLoop(
            configuration: task.coordinator(generation: UInt64(generation), workers: workers, creditBytes: 1 << 20), plan: task.plan(step: 0),
            listen: listen, bulkListen: nil, delegate: delegate)
        BenchProcess.report(loop.endpoint)
        Launch.exit(with: loop.run())
    }
}

/// Many workers in one process, for `mvq bench reconnect`.
struct ReconnectWorkersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reconnect-workers", abstract: "Workers of 'mvq bench reconnect'.", shouldDisplay: false)

    @Option var connect: String
    @Option var sessions: Int

    func run() throws {
        BenchProcess.endWithParent()
        let context = try Context()
        let ended = Mutex(0)
        let threads = try (0..<sessions).map { number in
            let loop = try WorkerLoop(address: connect, hello: ExchangeTask.hello(number: number), context: context, delegate: ExchangeWorker())
            let thread = Thread {
                let end = loop.run()
                ended.withLock { $0 += 1 }
                if end.exitCode != ExitCode.done { Launch.exit(with: end) }
            }
            thread.stackSize = 512 << 10
            return thread
        }
        for thread in threads { thread.start() }
        while ended.withLock({ $0 }) < sessions { Thread.sleep(forTimeInterval: 0.1) }
    }
}

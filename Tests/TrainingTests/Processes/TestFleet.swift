import Fleet
import Foundation
import Testing

/// A coordinator and its workers as processes; all are killed when the test ends, however it ends.
final class TestFleet {
    let run: Run
    private let workshop: Workshop
    private var all: [Command] = []
    /// The coordinator started last.
    private(set) var coordinator: Command?

    fileprivate init(_ run: Run, _ workshop: Workshop) {
        self.run = run
        self.workshop = workshop
    }

    fileprivate func killAll() {
        for command in all { command.kill() }
    }

    private func spawn(
        _ name: String, _ arguments: [String], environment: [String: String] = [:], tracer: [String] = []
    ) throws -> Command {
        let label = (workshop.path(name) as NSString).lastPathComponent
        let command = try Command(name, arguments, folder: workshop.folder, label: label, environment: environment, tracer: tracer)
        all.append(command)
        return command
    }

    /// Starts the coordinator, and waits until it listens.
    @discardableResult
    func start(
        replacing arguments: [String]? = nil, minimumWorkers: Int = 1, more: [String] = [], environment: [String: String] = [:],
        tracer: [String] = []
    ) throws -> Command {
        let coordinator = try launch(replacing: arguments, minimumWorkers: minimumWorkers, more: more, environment: environment, tracer: tracer)
        try coordinator.eventually("the coordinator to listen") { endpoint != nil || !coordinator.isRunning }
        if endpoint == nil { throw Command.Failure(description: "the coordinator ended: \(coordinator.standardError)") }
        return coordinator
    }

    /// Starts the coordinator without waiting for anything.
    /// - Parameter arguments: instead of the run's.
    func launch(
        replacing arguments: [String]? = nil, minimumWorkers: Int = 1, more: [String] = [], environment: [String: String] = [:],
        tracer: [String] = []
    ) throws -> Command {
        try? FileManager.default.removeItem(atPath: "\(run.path)/endpoint")
        let coordinator = try spawn(
            "mvq-coordinator", (arguments ?? run.arguments) + ["--min-workers", "\(minimumWorkers)"] + more, environment: environment, tracer: tracer)
        self.coordinator = coordinator
        return coordinator
    }

    /// The address in the run's folder.
    var endpoint: String? {
        guard let text = try? String(contentsOfFile: "\(run.path)/endpoint", encoding: .utf8), text.hasSuffix("\n") else { return nil }
        return String(text.dropLast())
    }

    /// Starts a worker.
    /// - Parameter data: its own copy of the images, if not the run's folder.
    func worker(threads: Int = 1, hasData: Bool, data: String? = nil, more: [String] = [], environment: [String: String] = [:]) throws
        -> Command
    {
        let endpoint = try #require(endpoint, "start the coordinator first")
        // Should this process die, the workers it leaves behind end by themselves.
        return try spawn(
            "mvq-worker",
            ["--connect", endpoint, "--threads", "\(threads)", "--orphan-seconds", "60"] + (hasData ? ["--data", data ?? run.data] : [])
                + more,
            environment: environment)
    }

    /// Waits until so many steps are committed.
    func waitForSteps(_ count: Int) throws {
        let coordinator = try #require(coordinator)
        try coordinator.eventually("step \(count)") { run.committed >= count || !coordinator.isRunning }
        try #require(run.committed >= count, "the coordinator ended: \(coordinator.standardError)")
    }

    /// Kills workers by SIGKILL while each of them computes a block of its own: they must have been started with `--log-level debug`.
    ///
    /// They are stopped first, so that what their logs said last is what they were doing.
    func killInMidStep(_ workers: [Command]) throws {
        try stopInMidStep(workers)
        for worker in workers { worker.signal(SIGKILL) }
        for worker in workers { worker.kill() }
    }

    /// Stops workers by SIGSTOP while each of them computes a block of its own, as `killInMidStep` does.
    func stopInMidStep(_ workers: [Command]) throws {
        func block(of worker: Command) -> Substring? {
            guard let last = worker.lines.last(where: { $0.contains(" step ") }), let step = last.range(of: " step ") else { return nil }
            return last.contains("computed") || last.contains("no longer wanted") ? nil : last[step.upperBound...]
        }
        func areComputing() -> Bool { Set(workers.compactMap(block)).count == workers.count }
        try Command.eventually("\(workers.count) workers to compute", orTell: { workers[0].standardError.suffix(2000) }) {
            guard areComputing() else { return false }
            for worker in workers { worker.signal(SIGSTOP) }
            if areComputing() { return true }
            for worker in workers { worker.signal(SIGCONT) }
            return false
        }
    }

    /// Waits for the end of a run: coordinator and workers exit 0, all steps are committed.
    func expectToFinish(_ workers: [Command], sourceLocation: SourceLocation = #_sourceLocation) throws {
        let coordinator = try #require(coordinator)
        let exitCode = try coordinator.exitCode()
        #expect(exitCode == 0 && coordinator.complaints.isEmpty, "\(coordinator.standardError)", sourceLocation: sourceLocation)
        for worker in workers {
            let exitCode = try worker.exitCode()
            #expect(exitCode == 0 && worker.complaints.isEmpty, "\(worker.standardError)", sourceLocation: sourceLocation)
        }
        #expect(run.committed == (try run.configuration.training.steps), sourceLocation: sourceLocation)
    }
}

/// Runs `body` with a fleet and kills whatever is left of it.
func withFleet<Result>(of run: Run, _ body: (TestFleet) throws -> Result) throws -> Result {
    let fleet = TestFleet(run, try Workshop.here())
    defer { fleet.killAll() }
    return try body(fleet)
}

extension Workshop {
    /// A new run on the shared dataset; its folder is removed at the end.
    func withRun<Result>(_ change: (inout Run) -> Void = { _ in }, _ body: (TestFleet) throws -> Result) throws -> Result {
        var run = Run(path: path("run"), data: try dataset())
        change(&run)
        defer { try? FileManager.default.removeItem(atPath: run.path) }
        return try withFleet(of: run, body)
    }
}

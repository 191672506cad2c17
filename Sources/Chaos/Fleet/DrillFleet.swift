import Fleet
import Foundation

/// A coordinator and its workers as processes, for one case of a row; all are killed when the case ends, however it ends.
final class DrillFleet {
    /// What workers are slowed to, for every slot: so that all of them take part in every step, and faults meet them at work.
    static let pace = "worker.compute@1+=slow:0.004"

    let run: RunFolder
    private let site: DrillSite
    private var all: [ChildProcess] = []
    /// The coordinator started last.
    private(set) var coordinator: ChildProcess?
    /// `tcp://127.0.0.1:*` unless a drill needs to know the ports before.
    var listen = "tcp://127.0.0.1:*"
    /// More arguments of the coordinator.
    var arguments: [String] = []
    /// More arguments of every worker.
    var workerArguments: [String] = []
    /// A command and its first arguments that start the others, e.g. in a network of their own.
    var wrapper: (coordinator: [String], worker: [String]) = ([], [])

    init(_ run: RunFolder, _ site: DrillSite) {
        self.run = run
        self.site = site
    }

    func killAll() {
        for process in all { process.kill() }
    }

    private func spawn(_ program: String, _ arguments: [String], wrapper: [String] = [], environment: [String: String?]) throws -> ChildProcess {
        let command = wrapper + [program] + arguments
        let log = site.path((program as NSString).lastPathComponent)
        let process = try ChildProcess(command[0], Array(command.dropFirst()), log: log, environment: environment)
        all.append(process)
        return process
    }

    /// Starts a coordinator without waiting for anything.
    ///
    /// - Parameter failpoints: its `MVQ_FAIL`.
    @discardableResult
    func launch(minimumWorkers: Int = 1, failpoints: String? = nil, more: [String] = [], environment: [String: String?] = [:]) throws -> ChildProcess {
        try? FileManager.default.removeItem(atPath: "\(run.path)/endpoint")
        // Should this process die, the coordinator it leaves behind ends by itself.
        let arguments =
            [
                "--config", run.config, "--data", run.data, "--run", run.path, "--listen", listen, "--gather-seconds", "90", "--min-workers",
                "\(minimumWorkers)",
            ] + self.arguments + more
        let process = try spawn(
            site.program("mvq-coordinator"), arguments, wrapper: wrapper.coordinator,
            environment: environment.merging(["MVQ_FAIL": failpoints]) { $1 })
        coordinator = process
        return process
    }

    /// Starts a coordinator, and waits until it listens.
    @discardableResult
    func start(minimumWorkers: Int = 1, failpoints: String? = nil, more: [String] = [], environment: [String: String?] = [:]) throws -> ChildProcess {
        let process = try launch(minimumWorkers: minimumWorkers, failpoints: failpoints, more: more, environment: environment)
        try wait(for: "the coordinator to listen", orTell: { process.tail }) { run.endpoint != nil || !process.isRunning }
        guard run.endpoint != nil else { throw ChaosFailure("the coordinator ended before it listened\n  \(process.tail)") }
        return process
    }

    /// Starts a worker.
    ///
    /// - Parameters:
    ///   - failpoints: its `MVQ_FAIL`; `pace` unless told otherwise.
    ///   - address: where it connects to, if not to the coordinator itself.
    ///   - data: its own copy of the images, if not the run's folder.
    ///   - keys: its folder of keys, if it has any.
    ///   - program: another executable than mvq-worker.
    func worker(
        hasData: Bool = false, failpoints: String? = DrillFleet.pace, address: String? = nil, data: String? = nil, keys: String? = nil,
        program: String? = nil, wrapper: [String]? = nil, environment: [String: String?] = [:]
    ) throws -> ChildProcess {
        guard let endpoint = address ?? run.endpoint else { throw ChaosFailure("a worker was to be started before its coordinator listened") }
        return try spawn(
            program ?? site.program("mvq-worker"),
            ["--connect", endpoint, "--threads", "1", "--orphan-seconds", "60", "--log-level", "debug"]
                + (hasData || data != nil ? ["--data", data ?? run.data] : []) + (keys.map { ["--keys", $0] } ?? []) + workerArguments,
            wrapper: wrapper ?? self.wrapper.worker, environment: environment.merging(["MVQ_FAIL": failpoints]) { $1 })
    }

    /// A worker with a failpoint of its own at the usual pace.
    func worker(hasData: Bool = false, failing fault: String, address: String? = nil) throws -> ChildProcess {
        try worker(hasData: hasData, failpoints: "\(fault),\(DrillFleet.pace)", address: address)
    }

    /// Waits until so many steps are committed.
    func waitForSteps(_ count: Int) throws {
        guard let coordinator else { throw ChaosFailure("there is no coordinator to wait for") }
        try wait(for: "step \(count)", orTell: { coordinator.tail }) { run.committed >= count || !coordinator.isRunning }
        guard run.committed >= count else { throw ChaosFailure("the coordinator ended before step \(count)\n  \(coordinator.tail)") }
    }

    /// Waits for the end of the run: coordinator and workers exit 0, all steps are committed.
    func finish(_ workers: [ChildProcess]) throws {
        guard let coordinator else { throw ChaosFailure("there is no coordinator to wait for") }
        try coordinator.expectExit(ExitCode.done)
        for worker in workers { try worker.expectExit(ExitCode.done) }
        guard run.committed == run.steps else { throw ChaosFailure("\(run.committed) of \(run.steps) steps are committed") }
    }

    /// Waits until a worker has ended, or the run has: then it may never hear of it, and is killed.
    func waitForEnd(of worker: ChildProcess) throws {
        try wait(for: "\(worker.name) to end", orTell: { worker.tail }) { !worker.isRunning || coordinator?.isRunning != true }
        worker.kill()
    }

    /// Kills workers while each of them computes a block of its own. They are stopped first, so that what their logs said last is what they do.
    func killInMidStep(_ workers: [ChildProcess]) throws {
        func block(of worker: ChildProcess) -> Substring? {
            guard let last = worker.lines.last(where: { $0.contains(" step ") }), let step = last.range(of: " step ") else { return nil }
            return last.contains("computed") || last.contains("no longer wanted") ? nil : last[step.upperBound...]
        }
        func areComputing() -> Bool { Set(workers.compactMap(block)).count == workers.count }
        try wait(for: "\(workers.count) workers to compute", orTell: { workers[0].tail }) {
            guard areComputing() else { return false }
            for worker in workers { worker.signal(SIGSTOP) }
            if areComputing() { return true }
            for worker in workers { worker.signal(SIGCONT) }
            return false
        }
        for worker in workers { worker.signal(SIGKILL) }
        for worker in workers { worker.kill() }
    }
}

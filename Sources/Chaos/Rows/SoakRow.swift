import Fleet
import Foundation

/// Everything at once, for long.
enum SoakRow {
    static let soak = FaultRow(
        35, "Soak", injection: "for --minutes: kill -9 of workers at drawn moments (each lives 10 s on average), joins, stops; now and then the coordinator",
        expected: "memory and file descriptors of the coordinator do not grow",
        obstacle: { form in form.soakMinutes == nil ? "takes as long as it is given: --minutes (nightly)" : nil }
    ) { drill in
        let minutes = drill.form.soakMinutes ?? 1
        // Long enough not to end before its time.
        let run = try drill.site.run("soak", steps: 1_000_000)
        var committed = 0
        try drill.run("\(minutes) minutes", on: run, isCompared: false) { fleet in
            committed = try torment(fleet, drill, seconds: minutes * 60)
            // The undisturbed run of as many steps, computed now.
            let reference = DrillFleet(try drill.site.run("soak-reference", steps: committed), drill.site)
            defer { reference.killAll() }
            reference.arguments = rareCheckpoints
            try reference.start(minimumWorkers: 2)
            let workers = try (0..<2).map { _ in try reference.worker(hasData: true, failpoints: nil) }
            try waitWhileItGetsOn(reference)
            try reference.finish(workers)
            let cut = RunFolder(path: run.path, config: run.config, data: run.data, steps: committed)
            try Oracle.requireEqual(cut, to: reference.run)
        }
        drill.note("\(committed) steps")
    }

    /// Waits for the end of a coordinator that takes as long as it takes, but whose journal must grow.
    private static func waitWhileItGetsOn(_ fleet: DrillFleet) throws {
        guard let coordinator = fleet.coordinator else { return }
        func bytes() -> off_t {
            var facts = stat()
            return stat("\(fleet.run.path)/journal.jsonl", &facts) == 0 ? facts.st_size : 0
        }
        while coordinator.isRunning {
            let before = bytes()
            try wait(for: "the undisturbed run to get on", orTell: { coordinator.tail }) { bytes() != before || !coordinator.isRunning }
        }
    }

    private static let rareCheckpoints = ["--set", "checkpoints.every_steps=50"]

    /// Trains under faults for so long, then stops the run; the number of committed steps.
    private static func torment(_ fleet: DrillFleet, _ drill: Drill, seconds: Double) throws -> Int {
        fleet.listen = "tcp://127.0.0.1:\(try drill.site.freePortPair())"
        fleet.arguments = rareCheckpoints
        var coordinator = try fleet.start()
        var workers: [ChildProcess] = []
        var (workerDeaths, coordinatorDeaths, joins) = (0, 0, 0)
        var samples: [(seconds: Double, kiB: Int, descriptors: Int, workers: Int)] = []
        let start = ProcessInfo.processInfo.systemUptime
        var next = start
        while case let now = ProcessInfo.processInfo.systemUptime, now - start < seconds {
            while workers.count < 3 {
                workers.append(try fleet.worker(hasData: drill.fraction() < 0.5, failpoints: nil, address: fleet.listen))
                joins += 1
            }
            // The next fault of the schedule: exponential, three seconds apart on average.
            next = now - 3 * log(1 - drill.fraction())
            let fault = drill.fraction()
            try wait(for: "the next fault", orTell: { coordinator.tail }) {
                ProcessInfo.processInfo.systemUptime >= min(next, start + seconds) || !coordinator.isRunning
            }
            guard coordinator.isRunning else { throw ChaosFailure("the coordinator ended\n  \(coordinator.tail)") }
            samples.append((now - start, coordinator.residentKiB, coordinator.descriptorCount, workers.count))
            let chosen = drill.integer(0...workers.count - 1)
            switch fault {
            case ..<0.75:
                workers.remove(at: chosen).kill()
                workerDeaths += 1
            case ..<0.9: workers.remove(at: chosen).signal(SIGTERM)
            case ..<0.97:
                workers[chosen].signal(SIGSTOP)
                usleep(useconds_t(drill.integer(100_000...2_000_000)))
                workers[chosen].signal(SIGCONT)
            default:
                coordinator.kill()
                coordinatorDeaths += 1
                samples = []
                coordinator = try fleet.start()
            }
        }
        coordinator.signal(SIGTERM)
        try coordinator.expectExit(ExitCode.preempted)
        for worker in workers { worker.kill() }
        drill.note("\(joins) workers started, \(workerDeaths) killed; coordinator killed \(coordinatorDeaths) times")
        if let first = samples.dropFirst(samples.count / 4).first, let last = samples.last, last.seconds > first.seconds {
            drill.note(
                "the last coordinator: \(first.kiB / 1024) MiB and \(first.descriptors) file descriptors after \(Int(first.seconds)) s, "
                    + "\(last.kiB / 1024) MiB and \(last.descriptors) after \(Int(last.seconds)) s")
            // A dead worker's connections go when its end is seen; what is left is bounded by those that live.
            try drill.require(last.descriptors <= first.descriptors + 16, "file descriptors grew from \(first.descriptors) to \(last.descriptors)")
        }
        return fleet.run.committed
    }
}

import Fleet
import Foundation

/// What the operating system does to processes: clocks, signals, limits.
enum SystemRows {
    static let clock = FaultRow(
        29, "Clock jumps by ± 1 day", injection: "the clock of the day, in coordinator and workers, by an LD_PRELOAD shim", expected: "no deadline is missed",
        obstacle: { _ in Machine.cannotCompile }
    ) { drill in
        let shim = try SystemCallShim(in: drill.site.path("shim"))
        try drill.run("both sides") { fleet in
            let coordinator = try fleet.start(minimumWorkers: 2, environment: shim.jumpingClock)
            let workers = try [true, false].map { try fleet.worker(hasData: $0, environment: shim.jumpingClock) }
            try fleet.finish(workers)
            try drill.require(coordinator.count(" lost: ") == 0, "a worker was given up\n  \(coordinator.tail)")
            // Log lines are the only place where the time of the day shows.
            let days = Set(workers.flatMap(\.lines).compactMap { $0.count > 10 && $0.dropFirst(4).first == "-" ? $0.prefix(10) : nil })
            try drill.require(days.count >= 2, "the clock did not jump: \(days.sorted())")
        }
    }

    static let terminated = FaultRow(
        30, "SIGTERM", injection: "to a coordinator that waits, and one that trains, with SIGCONT between two; again and again during a step's end; to a worker",
        expected: "a checkpoint of the last commit and exit 75; a worker hands back its work and exits 0; the same command goes on"
    ) { drill in
        func goesOn(_ fleet: DrillFleet) throws {
            try fleet.start()
            try fleet.finish([try fleet.worker(hasData: true)])
        }
        try drill.run("while it waits") { fleet in
            let coordinator = try fleet.start()
            coordinator.signal(SIGTERM)
            try coordinator.expectExit(ExitCode.preempted)
            try drill.require(try fleet.run.store.steps() == [0], "checkpoints of steps \(try fleet.run.store.steps())")
            try goesOn(fleet)
        }
        try drill.run("while it trains: TERM, CONT, TERM") { fleet in
            let coordinator = try fleet.start(minimumWorkers: 2)
            let workers = try [true, false].map { try fleet.worker(hasData: $0) }
            try fleet.waitForSteps(drill.integer(2...12))
            for signal in [SIGTERM, SIGCONT, SIGTERM] { coordinator.signal(signal) }
            try coordinator.expectExit(ExitCode.preempted)
            for worker in workers { try worker.expectExit(ExitCode.preempted) }
            let (steps, committed) = (try fleet.run.store.steps(), fleet.run.committed)
            try drill.require(steps.last == committed, "the last checkpoint is of step \(steps.last ?? -1), committed are \(committed)")
            try goesOn(fleet)
        }
        try drill.run("again and again") { fleet in
            let coordinator = try fleet.start(failpoints: "coordinator.update@\(drill.integer(4...10))=slow:4")
            let worker = try fleet.worker(hasData: true)
            try fleet.waitForSteps(3)
            // What comes within a second counts once; the second request ends the process at once, wherever it is.
            try wait(for: "the coordinator to end", orTell: { coordinator.tail }) {
                coordinator.signal(SIGTERM)
                return !coordinator.isRunning
            }
            try coordinator.expectExit(ExitCode.preempted)
            worker.kill()
            try goesOn(fleet)
        }
        try drill.run("to a worker") { fleet in
            let coordinator = try fleet.start(minimumWorkers: 2)
            let (first, second) = (try fleet.worker(hasData: true), try fleet.worker())
            try fleet.waitForSteps(drill.integer(2...8))
            first.signal(SIGTERM)
            try first.expectExit(ExitCode.done)
            try fleet.finish([second])
            try drill.require(coordinator.says("left: asked to stop"), coordinator.tail)
        }
    }

    static let limits = FaultRow(
        32, "Few file descriptors, little memory", injection: "a worker with ulimit -n 24; one in a memory control group of two thirds of what it takes",
        expected: "it ends, alone, with 69 and the mend where it can still speak; the others finish"
    ) { drill in
        try drill.run("24 file descriptors") { fleet in
            try fleet.start()
            let poor = try fleet.worker(wrapper: ["/bin/sh", "-c", "ulimit -n 24; exec \"$@\"", "sh"])
            let other = try fleet.worker(hasData: true)
            try fleet.finish([other])
            try poor.expectExit(ExitCode.unavailable)
            try drill.require(poor.lines.count == 2 && poor.says("mvq-worker: ", "(ulimit -n)"), poor.tail)
        }
        if let reason = Machine.cannotLimitMemory { return drill.omit("memory", because: reason) }
        let group = "/sys/fs/cgroup/memory/mvq-chaos-\(getpid())"
        guard mkdir(group, 0o755) == 0 else { throw ChaosFailure("\(group): \(String(cString: strerror(errno)))") }
        defer { rmdir(group) }
        let enter = ["/bin/sh", "-c", "echo $$ > \(group)/tasks; exec \"$@\"", "sh"]
        var peak = 0
        try drill.run("memory, without a limit") { fleet in
            try fleet.start()
            try fleet.finish([try fleet.worker(hasData: true, wrapper: enter)])
            let text = try String(contentsOfFile: "\(group)/memory.max_usage_in_bytes", encoding: .utf8)
            peak = Int(text.dropLast()) ?? 0
        }
        try drill.run("memory, two thirds of what it takes") { fleet in
            try "\(peak * 2 / 3)".write(toFile: "\(group)/memory.limit_in_bytes", atomically: false, encoding: .utf8)
            try fleet.start()
            let victim = try fleet.worker(hasData: true, wrapper: enter)
            try victim.expectExit(-SIGKILL)
            try fleet.finish([try fleet.worker(hasData: true)])
            drill.note("a worker of \(peak >> 20) MiB died at \((peak * 2 / 3) >> 20) MiB")
        }
    }
}

import Checkpoints
import Fleet
import Foundation

/// Coordinators that die, hang, or are not alone.
enum CoordinatorRows {
    /// Runs a coordinator that kills itself, and the same command again; the workers find it by themselves.
    ///
    /// - Parameters:
    ///   - faults: `MVQ_FAIL` of one start after the other, the last of which is followed by one without.
    ///   - isMidRun: false if all steps may be committed when the last of them strikes.
    ///   - arguments: more of the coordinator's.
    static func crash(_ drill: Drill, _ name: String, _ faults: [String], isMidRun: Bool = true, arguments: [String] = []) throws {
        try drill.run(name) { fleet in
            fleet.arguments = arguments
            let port = try drill.site.freePortPair()
            fleet.listen = "tcp://127.0.0.1:\(port)"
            var workers: [ChildProcess] = []
            for fault in faults {
                let (before, checkpoints) = (fleet.run.journalText, (try? fleet.run.store.steps()) ?? [])
                let coordinator = try fleet.launch(minimumWorkers: 2, failpoints: fault)
                if workers.isEmpty { workers = try [true, false].map { try fleet.worker(hasData: $0, address: fleet.listen) } }
                try coordinator.expectExit(-SIGKILL)
                try drill.require(fleet.run.journalText.hasPrefix(before), "committed lines were changed")
                try drill.require(checkpoints.isEmpty || !(try fleet.run.store.steps()).isEmpty, "the checkpoints are gone")
            }
            let (before, committed) = (fleet.run.journalText, fleet.run.committed)
            let isComplete = try fleet.run.store.steps().last == fleet.run.steps
            try fleet.launch(minimumWorkers: 2)
            // A run that is found complete needs no workers and tells them nothing.
            if isComplete { for worker in workers { worker.kill() } }
            try fleet.finish(isComplete ? [] : workers)
            try drill.require(committed < fleet.run.steps || !isMidRun, "the run was over already")
            try drill.require(fleet.run.journalText.hasPrefix(before), "committed lines were changed")
            let litter = try FileManager.default.contentsOfDirectory(atPath: fleet.run.store.directory).filter { $0.hasPrefix(".") }
            try drill.require(litter.isEmpty, "left behind: \(litter.joined(separator: ", "))")
        }
    }

    static let killed = FaultRow(
        3, "Coordinator killed in each state", injection: "kill -9 at failpoints, at the first start or at a resume; the same command again",
        expected: "committed lines stay; steps since the checkpoint are computed again and come out the same"
    ) { drill in
        let first = "coordinator.update@\(drill.integer(6...11))=kill"
        for point in ["coordinator.boot", "coordinator.lock", "coordinator.recover", "coordinator.gather"] {
            try crash(drill, "\(point) of a resume", [first, "\(point)=kill"])
        }
        let places: [(point: String, visits: ClosedRange<Int>)] = [
            ("coordinator.plan", 2...20), ("coordinator.collect", 5...22), ("coordinator.update", 2...20), ("journal.before", 2...20),
            ("journal.torn", 2...20), ("journal.after", 2...20),
        ]
        for (point, visits) in places { try crash(drill, point, ["\(point)@\(drill.integer(visits))=kill"]) }
    }

    static let powerCut = FaultRow(
        4, "Coordinator and all workers killed", injection: "kill -9 of everything in mid-run; everything started again",
        expected: "the run goes on from its checkpoint; steps computed again equal the journal"
    ) { drill in
        try drill.run("everything at once") { fleet in
            let coordinator = try fleet.start(minimumWorkers: 2)
            let workers = try [true, false].map { try fleet.worker(hasData: $0) }
            try fleet.waitForSteps(drill.integer(5...15))
            for process in workers + [coordinator] { process.signal(SIGKILL) }
            for process in workers + [coordinator] { try process.expectExit(-SIGKILL) }
            let before = fleet.run.journalText
            try fleet.start(minimumWorkers: 2)
            try fleet.finish(try [true, false].map { try fleet.worker(hasData: $0) })
            try drill.require(fleet.run.journalText.hasPrefix(before), "committed lines were changed")
        }
        // Dropping the page cache would slow everything else on the machine; what was not synchronised is covered by rows 5, 26 and 28.
    }

    static let stopped = FaultRow(
        7, "Coordinator stopped for longer than the deadline", injection: "SIGSTOP when it sends a plan; SIGCONT once all workers gave it up",
        expected: "they come back to the same coordinator"
    ) { drill in
        try drill.run("stopped between steps") { fleet in
            fleet.listen = "tcp://127.0.0.1:\(try drill.site.freePortPair())"
            fleet.arguments = ["--liveness-seconds", "2"]
            let coordinator = try fleet.start(minimumWorkers: 2, failpoints: "coordinator.plan@\(drill.integer(3...12))=stop")
            let workers = try [true, false].map { try fleet.worker(hasData: $0) }
            try coordinator.waitToStop()
            for worker in workers { try worker.waitToSay("no coordinator: ") }
            coordinator.signal(SIGCONT)
            try fleet.finish(workers)
            let generation = try String(contentsOfFile: "\(fleet.run.path)/generation", encoding: .utf8)
            try drill.require(generation == "1\n", "the run is in generation \(generation)")
        }
    }

    static let second = FaultRow(
        11, "Two coordinators on one run", injection: "a second start while the first waits, and while it trains",
        expected: "the second ends with 73 and writes nothing"
    ) { drill in
        try drill.run("while it waits") { fleet in
            let first = try fleet.start()
            let checkpoint = fleet.run.store.path(of: 0)
            try first.waitToSay("checkpoint \(checkpoint)")
            let before = try fleet.run.contents()
            let second = DrillFleet(fleet.run, drill.site)
            defer { second.killAll() }
            // It must not take the file away by which workers find the first one.
            let endpoint = fleet.run.endpoint
            let process = try second.launch()
            try process.expectExit(73)
            try drill.require(process.says("in use by pid \(first.processID)"), process.tail)
            try drill.require(try fleet.run.contents() == before, "journal or checkpoints were changed")
            try endpoint?.appending("\n").write(toFile: "\(fleet.run.path)/endpoint", atomically: true, encoding: .utf8)
            let worker = try fleet.worker(hasData: true)
            try fleet.waitForSteps(drill.integer(2...8))
            let third = DrillFleet(fleet.run, drill.site)
            defer { third.killAll() }
            try third.launch().expectExit(73)
            try fleet.finish([worker])
        }
    }

    static let revenant = FaultRow(
        12, "Old coordinator wakes after another took over", injection: "SIGSTOP, run.lock lost (as on a network file system), a new one started, SIGCONT",
        expected: "the old one sees the newer generation and ends with 73 before it writes"
    ) { drill in
        try drill.run("in mid-step") { fleet in
            let old = try fleet.start()
            let slow = "worker.compute@1+=slow:0.02"
            _ = try fleet.worker(hasData: true, failpoints: slow)
            try fleet.waitForSteps(drill.integer(3...8))
            old.signal(SIGSTOP)
            try FileManager.default.removeItem(atPath: "\(fleet.run.path)/run.lock")
            let next = DrillFleet(fleet.run, drill.site)
            defer { next.killAll() }
            let committed = fleet.run.committed
            let new = try next.start()
            let worker = try next.worker(hasData: true, failpoints: slow)
            try next.waitForSteps(committed + 2)
            old.signal(SIGCONT)
            try old.expectExit(73)
            try drill.require(old.says("has taken over"), old.tail)
            try drill.require(new.isRunning, "the new coordinator ended\n  \(new.tail)")
            try next.finish([worker])
        }
    }
}

import Fleet
import Foundation
import Training

/// Workers that die, hang, crawl, flap, come and go.
enum WorkerRows {
    static let any = FaultRow(
        0, "Any number of workers", injection: "1, 2, 3, 5, 7 and 13 workers, with and without the images; as a control a run that must differ",
        expected: "the same bits"
    ) { drill in
        try drill.run("control: another learning rate is found different", isCompared: false) { fleet in
            fleet.arguments = ["--set", "optimizer.learning_rate=0.000201"]
            try fleet.start()
            try fleet.finish([try fleet.worker(hasData: true, failpoints: nil)])
            let isEqual = (try? Oracle.requireEqual(fleet.run, to: drill.site.reference(.small))) != nil
            try drill.require(!isEqual, "two different runs are judged equal")
        }
        // One worker is the reference.
        for count in drill.form.isShort ? [2, 5, 13] : [2, 3, 5, 7, 13] {
            try drill.run("\(count) workers") { fleet in
                try fleet.start(minimumWorkers: count)
                try fleet.finish((0..<count).map { try fleet.worker(hasData: $0 % 2 == 0) })
                // Steps have 8 slots.
                let sessions = try fleet.run.sessions().count
                try drill.require(sessions >= min(count, 8), "\(sessions) of \(count) workers took part")
            }
        }
    }

    static let killed = FaultRow(
        1, "Worker killed in each state", injection: "kill -9 at failpoints: connecting, building, proving itself, receiving, idle, computing, sending chunks",
        expected: "its block goes to another worker"
    ) { drill in
        let places: [(point: String, visits: ClosedRange<Int>)] = [
            ("worker.connect", 1...1), ("worker.join", 1...1), ("worker.canary", 1...1), ("worker.weights", 2...16), ("worker.idle", 2...6), ("worker.compute", 2...12),
            ("worker.gradient", 2...12), ("worker.upload-first", 2...6), ("worker.upload-middle", 2...6), ("worker.upload-last", 2...6),
        ]
        for (point, visits) in places {
            try drill.run(point) { fleet in
                // Weights and gradients of several chunks.
                fleet.arguments = ["--chunk-kib", "64"]
                let isMember = visits.lowerBound > 1
                let coordinator = try fleet.start(minimumWorkers: isMember ? 2 : 1)
                let survivor = try fleet.worker(hasData: true)
                let victim = try fleet.worker(failing: "\(point)@\(drill.integer(visits))=kill")
                try victim.expectExit(-SIGKILL)
                try fleet.finish([survivor])
                try drill.require(!isMember || coordinator.says(" lost: "), "nobody was missed\n  \(coordinator.tail)")
            }
        }
    }

    static let allKilled = FaultRow(
        2, "All workers killed in mid-step", injection: "SIGSTOP while each computes, then kill -9", expected: "the coordinator waits; new workers finish"
    ) { drill in
        try drill.run("3 of 3 workers") { fleet in
            let coordinator = try fleet.start(minimumWorkers: 3)
            let workers = try (0..<3).map { _ in try fleet.worker(hasData: true, failpoints: "worker.compute@1+=slow:0.02") }
            try fleet.waitForSteps(drill.integer(2...6))
            try fleet.killInMidStep(workers)
            try wait(for: "all to be missed", orTell: { coordinator.tail }) { coordinator.count(" lost: ") == 3 }
            try drill.require(coordinator.isRunning && fleet.run.committed < fleet.run.steps, "the run was over already")
            try fleet.finish(try (0..<2).map { _ in try fleet.worker(hasData: true) })
        }
    }

    static let stopped = FaultRow(
        6, "Worker stopped for longer than the deadline", injection: "SIGSTOP while it computes; SIGCONT once it was given up",
        expected: "its block goes to another; what it says afterwards is dropped, and it joins again"
    ) { drill in
        try drill.run("stopped while computing") { fleet in
            fleet.arguments = ["--liveness-seconds", "2"]
            let coordinator = try fleet.start(minimumWorkers: 2)
            let survivor = try fleet.worker(hasData: true, failpoints: "worker.compute@1+=slow:0.04")
            let victim = try fleet.worker(failing: "worker.compute@\(drill.integer(2...8))=stop")
            try victim.waitToStop()
            try coordinator.waitToSay("lost: silent for")
            victim.signal(SIGCONT)
            try wait(for: "it to join again", orTell: { coordinator.tail }) { coordinator.count(" joined with ") == 3 }
            try fleet.finish([survivor, victim])
        }
    }

    static let slow = FaultRow(
        13, "Slow worker", injection: "pauses in its computation: 30 s once, and ten times slower throughout",
        expected: "a late block goes to the others, and the first result counts: the run is over before the pause is"
    ) { drill in
        try drill.run("one pause of 30 s") { fleet in
            // Without audits: where the sleeper alone can check a block, a step that is computed twice waits until it is given up.
            fleet.arguments = ["--liveness-seconds", "5", "--audit-share", "0"]
            let coordinator = try fleet.start(minimumWorkers: 2)
            let fast = try fleet.worker(hasData: true)
            // Not in its first blocks: its pace is to be known.
            let slow = try fleet.worker(failing: "worker.compute@\(drill.integer(12...20))=slow:30")
            try fleet.waitForSteps(1)
            let start = ProcessInfo.processInfo.systemUptime
            try fleet.finish([fast])
            // It may sleep on beyond the run, and never hear of its end.
            slow.kill()
            let seconds = ProcessInfo.processInfo.systemUptime - start
            try drill.require(coordinator.says(" is late at "), "the late block was not given to the other worker\n  \(coordinator.tail)")
            try drill.require(seconds < 30, "the run waited \(Int(seconds)) s for the slow worker")
            drill.note("all steps but the first took \(String(format: "%.1f", seconds)) s, with a pause of 30 s in one of them")
        }
        try drill.run("ten times slower") { fleet in
            let coordinator = try fleet.start(minimumWorkers: 2)
            let fast = try fleet.worker(hasData: true)
            let slow = try fleet.worker(failpoints: "worker.compute@1+=slow:0.05")
            try fleet.finish([fast, slow])
            drill.note("\(coordinator.count(" is late at ")) blocks were computed twice")
        }
    }

    static let flapping = FaultRow(
        14, "Flapping worker", injection: "kill -9 at its second slot, started again at once, again and again",
        expected: "its machine is noticed and gets work only as a backup of others; the others finish"
    ) { drill in
        let most = drill.form.isShort ? 6 : 20
        try drill.run("up to \(most) lives") { fleet in
            let coordinator = try fleet.start(minimumWorkers: 2)
            let steady = try fleet.worker(hasData: true, failpoints: "worker.compute@1+=slow:\(drill.form.isShort ? 0.01 : 0.03)")
            var lives = 0
            while lives < most, coordinator.isRunning {
                let flapper = try fleet.worker(failing: "worker.compute@2=kill")
                // The run may end first, and it may be given nothing any more.
                try fleet.waitForEnd(of: flapper)
                lives += 1
            }
            try fleet.finish([steady])
            // Three losses, and more than the machine has workers.
            try drill.require(coordinator.count(" lost: ") < 4 || coordinator.says("loses its workers over and over"), coordinator.tail)
            drill.note("\(lives) lives")
        }
    }

    static let upgraded = FaultRow(
        34, "Worker replaced by another binary in mid-run", injection: "a copy of the executable joins, the first one is stopped",
        expected: "the same build goes on; another build is refused with both versions (78)"
    ) { drill in
        try drill.run("the same build") { fleet in
            let coordinator = try fleet.start()
            let first = try fleet.worker(hasData: true)
            try fleet.waitForSteps(drill.integer(2...5))
            let copy = drill.site.path("copy") + "/mvq-worker"
            try FileManager.default.createDirectory(atPath: (copy as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            try FileManager.default.copyItem(atPath: drill.site.program("mvq-worker"), toPath: copy)
            let second = try fleet.worker(hasData: true, program: copy)
            try wait(for: "the second one to take part", orTell: { coordinator.tail }) {
                try fleet.run.sessions().count == 2 || !coordinator.isRunning
            }
            let stranger = try FakeWorker(at: fleet.run, build: "another")
            let refusal = try stranger.awaitRefusal()
            try drill.require(
                refusal.exitCode == ExitCode.configuration && refusal.text.contains("is build another, the coordinator \(BuildVersion.current)"),
                refusal.text)
            first.signal(SIGTERM)
            try first.expectExit(ExitCode.done)
            try fleet.finish([second])
        }
    }

    static let walk = FaultRow(
        36, "Number of workers walks 1 → 5 → 2 → 7 → 3", injection: "steps of 64 slots; workers are started, stopped (SIGTERM) and killed (kill -9)",
        expected: "the audit of every epoch is exact"
    ) { drill in
        try drill.run("1 → 5 → 2 → 7 → 3", variant: .wide) { fleet in
            try fleet.start()
            var workers: [ChildProcess] = []
            for (phase, count) in [1, 5, 2, 7, 3].enumerated() {
                while workers.count < count { workers.append(try fleet.worker(hasData: workers.count % 2 == 0, failpoints: "worker.compute@1+=slow:0.002")) }
                while workers.count > count {
                    let worker = workers.remove(at: drill.integer(0...workers.count - 1))
                    if drill.fraction() < 0.5 { worker.kill() } else { worker.signal(SIGTERM) }
                }
                if phase < 4 { try fleet.waitForSteps(3 * (phase + 1)) }
            }
            try fleet.finish(workers)
        }
    }
}

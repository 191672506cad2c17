import Foundation
import Testing

extension ProcessTests {
    /// SIGTERM and its relatives at awkward moments. Each time: the exit code in time, a valid checkpoint of the last committed step where one is
    /// promised, and the same command again ends where the undisturbed run does.
    @Suite struct PreemptionTests {
        static let stopped = ["mvq-coordinator: stopped; the same command continues the run"]

        /// Stops a run of the small model by `interrupt`, which returns the stopped coordinator, and continues it.
        func expectNoTrace(
            more: [String] = [], checkpointOfLastStep: Bool = true, sourceLocation: SourceLocation = #_sourceLocation,
            _ interrupt: (TestFleet) throws -> Void
        ) throws {
            let workshop = try Workshop.here()
            let reference = try workshop.smallReference()
            try workshop.withRun({ ($0.settings, $0.more) = (Run.smallModel, more) }) { fleet in
                try interrupt(fleet)
                let (committed, journal) = (fleet.run.committed, fleet.run.journalText)
                #expect(committed < Run.steps, sourceLocation: sourceLocation)
                let newest = try fleet.run.store.newestValid()
                #expect(newest.skipped.isEmpty, sourceLocation: sourceLocation)
                if checkpointOfLastStep { #expect(newest.loaded?.checkpoint.step == committed, sourceLocation: sourceLocation) }
                try fleet.start()
                try fleet.expectToFinish([try fleet.worker(hasData: true)], sourceLocation: sourceLocation)
                #expect(fleet.run.journalText.hasPrefix(journal), "lines that were there stay", sourceLocation: sourceLocation)
                try fleet.run.expectEqual(to: reference, sourceLocation: sourceLocation)
                let names = try FileManager.default.contentsOfDirectory(atPath: fleet.run.store.directory)
                #expect(!names.contains { $0.hasPrefix(".") }, "\(names)", sourceLocation: sourceLocation)
            }
        }

        /// Waits until the process has stopped itself at a failpoint.
        func waitUntilStopped(_ command: Command) throws {
            try command.eventually("\(command.name) to stop itself") {
                let status = (try? String(contentsOfFile: "/proc/\(command.processID)/stat", encoding: .utf8)) ?? ""
                return status.split(separator: ")").last?.hasPrefix(" T") == true || !command.isRunning
            }
            try #require(command.isRunning, "\(command.standardError)")
        }

        /// A coordinator at work whose only worker is stopped in the middle of a step.
        func startAndHoldInMidStep(_ fleet: TestFleet, more: [String] = []) throws -> (coordinator: Command, worker: Command) {
            let coordinator = try fleet.start(more: more)
            let worker = try fleet.worker(hasData: true, more: ["--log-level", "debug"])
            try fleet.waitForSteps(2)
            try fleet.stopInMidStep([worker])
            return (coordinator, worker)
        }

        func waitForRequest(_ coordinator: Command) throws {
            try coordinator.eventually("the request to be heard") { coordinator.lines.contains { $0.hasPrefix("asked to stop: ") } }
        }

        @Test(arguments: [SIGTERM, SIGINT, SIGUSR1, SIGHUP]) func whileWorkersAreAwaited(signal: Int32) throws {
            let workshop = try Workshop.here()
            try workshop.withRun({ $0.settings = Run.smallModel }) { fleet in
                let coordinator = try fleet.start(more: signal == SIGUSR1 ? ["--requeue-exit-code", "99"] : [])
                coordinator.signal(signal)
                #expect(try coordinator.exitCode() == (signal == SIGUSR1 ? 99 : 75), "\(coordinator.standardError)")
                #expect(coordinator.complaints == Self.stopped)
                #expect(try fleet.run.store.newestValid().loaded?.checkpoint.step == 0)
            }
        }

        @Test func aStepThatFitsIntoTheGraceIsFinished() throws {
            try expectNoTrace { fleet in
                let (coordinator, worker) = try startAndHoldInMidStep(fleet)
                let before = fleet.run.committed
                coordinator.signal(SIGTERM)
                try waitForRequest(coordinator)
                worker.signal(SIGCONT)
                #expect(try coordinator.exitCode() == 75 && coordinator.complaints == Self.stopped, "\(coordinator.standardError)")
                #expect(try worker.exitCode() == 75)
                #expect(fleet.run.committed == before + 1, "the step at hand, and no other")
            }
        }

        @Test func aStepThatDoesNotFitIsDropped() throws {
            try expectNoTrace { fleet in
                let (coordinator, worker) = try startAndHoldInMidStep(fleet, more: ["--grace", "6"])
                let before = fleet.run.committed
                coordinator.signal(SIGTERM)
                #expect(try coordinator.exitCode() == 75 && coordinator.complaints == Self.stopped, "\(coordinator.standardError)")
                #expect(fleet.run.committed == before)
                worker.kill()
            }
        }

        /// The second signal ends it at once, whatever it waits for; here for a step that never ends.
        @Test func aSecondSignalEndsItAtOnce() throws {
            try expectNoTrace(checkpointOfLastStep: false) { fleet in
                let (coordinator, worker) = try startAndHoldInMidStep(fleet, more: ["--grace", "3600"])
                coordinator.signal(SIGTERM)
                try waitForRequest(coordinator)
                // What comes within a second counts as one request.
                try coordinator.eventually("the coordinator to end") {
                    coordinator.signal(SIGTERM)
                    return !coordinator.isRunning
                }
                #expect(
                    try coordinator.exitCode() == 75
                        && coordinator.complaints == ["mvq-coordinator: stopped at once; the same command continues the run from its newest checkpoint"])
                worker.kill()
            }
        }

        /// Stopped by SIGSTOP in the middle of writing a file, then SIGTERM, then SIGCONT: in this order, as at the end of a suspended job.
        @Test func whileACheckpointIsWritten() throws {
            try expectNoTrace { fleet in
                let coordinator = try fleet.start(environment: ["MVQ_FAIL": "checkpoint.dataset@300=stop"])
                try waitUntilStopped(coordinator)
                #expect(try fleet.run.store.steps().isEmpty)
                coordinator.signal(SIGTERM)
                coordinator.signal(SIGCONT)
                #expect(try coordinator.exitCode() == 75 && coordinator.complaints == Self.stopped, "\(coordinator.standardError)")
            }
        }

        /// A disk on which a checkpoint takes longer than the grace: the last one is given up, the journal makes up for it.
        @Test func aCheckpointThatTakesTooLongIsGivenUp() throws {
            try expectNoTrace(checkpointOfLastStep: false) { fleet in
                let coordinator = try fleet.start(more: ["--grace", "2"], environment: ["MVQ_FAIL": "checkpoint.verify@2+=slow:600"])
                let worker = try fleet.worker(hasData: true)
                try fleet.waitForSteps(7)
                coordinator.signal(SIGTERM)
                #expect(try coordinator.exitCode() == 75, "\(coordinator.standardError)")
                #expect(
                    coordinator.complaints.last?.hasPrefix("mvq-coordinator: stopped after 1.8 s, not all was written by then; ") == true,
                    "\(coordinator.complaints)")
                #expect(try fleet.run.store.newestValid().loaded?.checkpoint.step == 0)
                worker.kill()
            }
        }

        /// Before the run's lock is taken, and after: nothing has begun yet.
        @Test(arguments: ["coordinator.boot", "coordinator.lock"]) func beforeItListens(point: String) throws {
            let workshop = try Workshop.here()
            try workshop.withRun({ $0.settings = Run.smallModel }) { fleet in
                let coordinator = try fleet.launch(environment: ["MVQ_FAIL": "\(point)=stop"])
                try waitUntilStopped(coordinator)
                coordinator.signal(SIGTERM)
                coordinator.signal(SIGCONT)
                #expect(try coordinator.exitCode() == 75)
                #expect(coordinator.complaints == ["mvq-coordinator: stopped before it began; the same command starts the run"])
                let again = try fleet.start()
                again.signal(SIGTERM)
                #expect(try again.exitCode() == 75 && again.complaints == Self.stopped)
            }
        }

        @Test func aWorkerWithoutCoordinatorEndsWhenAsked() throws {
            let workshop = try Workshop.here()
            let worker = try Command(
                "mvq-worker", ["--connect", "tcp://127.0.0.1:\(try freePortPair())", "--log-level", "debug"], folder: workshop.folder,
                label: "lonely")
            try worker.eventually("the worker to look for its coordinator") { !worker.lines.isEmpty || !worker.isRunning }
            worker.signal(SIGTERM)
            #expect(try worker.exitCode() == 0, "\(worker.standardError)")
        }

        @Test(arguments: [(["--grace", "0"], "--grace is 0.0"), (["--requeue-exit-code", "74"], "--requeue-exit-code is 74")])
        func settingsThatMakeNoSense(arguments: [String], complaint: String) throws {
            let workshop = try Workshop.here()
            let (exitCode, command) = try workshop.command(
                "mvq-coordinator", Run(path: workshop.path("none"), data: workshop.folder).arguments + arguments)
            #expect(exitCode == 64 && command.complaints.first?.contains(complaint) == true, "\(command.standardError)")
        }
    }
}

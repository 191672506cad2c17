import Foundation
import Testing
import Training

extension ProcessTests {
    /// A run that begins with a checkpoint of another one, and other settings.
    @Suite struct ForkedRunTests {
        /// The reference run's checkpoint of step 15, three steps with another learning rate.
        private func run(_ name: String) throws -> (run: Run, start: String) {
            let workshop = try Workshop.here()
            let reference = try workshop.reference()
            var run = Run(path: workshop.path(name), data: reference.data)
            run.settings = reference.settings + ["optimizer.learning_rate=0.0003", "training.steps=18", "checkpoints.every_steps=1"]
            let start = reference.store.path(of: 15)
            run.more = ["--resume", start]
            return (run, start)
        }

        private func finish(_ fleet: TestFleet) throws {
            let worker = try fleet.worker(threads: 2, hasData: true)
            let coordinator = try #require(fleet.coordinator)
            #expect(try coordinator.exitCode() == 0 && worker.exitCode() == 0, "\(coordinator.standardError)")
        }

        /// Stopped before its first step, killed after it: the same command, and the one without the file, go on with the run's own checkpoints.
        @Test func theSameCommandGoesOn() throws {
            let (whole, _) = try run("whole")
            try withFleet(of: whole) { fleet in
                try fleet.start()
                try finish(fleet)
            }
            #expect(try whole.results().map(\.step) == [15, 16, 17])
            // Epochs have ten steps: it began in the middle of the second.
            let (exitCode, audit) = try Workshop.here().command("mvq", ["audit", whole.path])
            #expect(exitCode == 0 && audit.standardOutput.contains("3 lines, steps 15 to 17"), "\(audit.standardOutput)")
            #expect(audit.standardOutput.contains("\nunknown: what came before step 15: "), "\(audit.standardOutput)")
            #expect(audit.standardOutput.contains("\nunknown: whether the first 5 steps of epoch 1 saw their samples once"), "\(audit.standardOutput)")
            let (replayed, _) = try Workshop.here().command("mvq", ["replay", whole.path, "--step", "17", "--data", whole.data])
            #expect(replayed == 0)

            let (run, start) = try run("interrupted")
            var own = run
            own.more = []
            try withFleet(of: run) { fleet in
                let coordinator = try fleet.start()
                coordinator.signal(SIGTERM)
                #expect(try coordinator.exitCode() == 75)
                #expect(try run.store.steps() == [15] && run.committed == 0)
            }
            let name = try run.store.load(step: 15).checkpoint.attributes["run_id"]
            try withFleet(of: own) { fleet in
                let coordinator = try fleet.start()
                let worker = try fleet.worker(threads: 2, hasData: true)
                try fleet.waitForSteps(1)
                for command in [coordinator, worker] {
                    command.signal(SIGKILL)
                    command.kill()
                }
            }
            try withFleet(of: run) { fleet in
                let coordinator = try fleet.start()
                try finish(fleet)
                #expect(coordinator.lines.contains("the run has begun already: \(start) is not read again"), "\(coordinator.lines)")
            }
            #expect(try run.results() == whole.results())
            #expect(try run.store.load(step: 18).checkpoint.attributes["run_id"] == name)
        }
    }
}

import Checkpoints
import Foundation
import Testing

extension ProcessTests {
    /// A coordinator that dies by `kill -9` while it writes, again and again in one run.
    @Suite struct CoordinatorKillTests {
        static let points = [
            "journal.torn@2", "journal.before@3", "journal.after@3", "journal.torn@1", "checkpoint.free-space", "checkpoint.dataset@100",
            "checkpoint.synchronise", "checkpoint.manifest", "checkpoint.rename-manifest", "checkpoint.rename-file",
            "checkpoint.synchronise-folder", "checkpoint.latest", "checkpoint.retention", "checkpoint.published",
        ]

        @Test func killedWhileItWrites() throws {
            let workshop = try Workshop.here()
            let reference = try workshop.smallReference()
            try workshop.withRun({ $0.settings = Run.smallModel }) { fleet in
                let run = fleet.run
                for point in Self.points {
                    let before = run.journalText
                    let coordinator = try fleet.start(environment: ["MVQ_FAIL": "\(point)=kill"])
                    try expectNoLitter(run, point)
                    let worker = try fleet.worker(hasData: true)
                    #expect(try coordinator.exitCode() == -SIGKILL, "\(point): \(coordinator.standardError)")
                    worker.kill()
                    #expect(run.journalText.hasPrefix(before), "\(point): lines that were there stay")
                    guard try !run.store.steps().isEmpty else { continue }
                    let newest = try run.store.newestValid()
                    let loaded = try #require(newest.loaded, "\(point)")
                    #expect(newest.skipped.isEmpty && loaded.checkpoint.step <= run.committed, "\(point)")
                    guard run.store.latest != nil else { continue }
                    let latest = try CheckpointStore.load(path: run.store.directory + "/latest")
                    #expect(latest.manifest == .verified && latest.checkpoint.step <= loaded.checkpoint.step, "\(point)")
                }
                let last = try fleet.launch()
                try last.eventually("the last start") { fleet.endpoint != nil || !last.isRunning }
                // Perhaps the last kill came after the last step.
                try fleet.expectToFinish(fleet.endpoint != nil ? [try fleet.worker(hasData: true)] : [])
                try expectNoLitter(run, "the end")
                try run.expectEqual(to: reference)
            }
        }

        /// Pictures, log and link of the evaluations, killed before each of them and between two lines of a step.
        @Test func killedWhileItNotesAnEvaluation() throws {
            let workshop = try Workshop.here()
            let settings = Run.smallModel + [
                "evaluation.every_steps=10", "evaluation.images=2", "evaluation.kept_tokens=[25, 64]", "evaluation.pictures=1",
            ]
            func evaluations(_ run: Run) throws -> [String?] {
                [
                    try String(contentsOfFile: "\(run.path)/evaluation.jsonl", encoding: .utf8),
                    try FileManager.default.destinationOfSymbolicLink(atPath: "\(run.store.directory)/best"),
                ] + (try FileManager.default.contentsOfDirectory(atPath: "\(run.path)/evaluation").sorted().map {
                    try fileDigest("\(run.path)/evaluation/\($0)")
                })
            }
            let expected = try workshop.withRun({ $0.settings = settings }) { fleet in
                try fleet.start()
                try fleet.expectToFinish([try fleet.worker(hasData: true)])
                return try evaluations(fleet.run)
            }
            try workshop.withRun({ $0.settings = settings }) { fleet in
                for point in ["evaluation.picture@1", "evaluation.line@1", "evaluation.line@2", "evaluation.best@1", "evaluation.line@2"] {
                    let coordinator = try fleet.launch(environment: ["MVQ_FAIL": "\(point)=kill"])
                    try coordinator.eventually("the coordinator to listen") { fleet.endpoint != nil || !coordinator.isRunning }
                    let worker = try coordinator.isRunning ? fleet.worker(hasData: true) : nil
                    #expect(try coordinator.exitCode() == -SIGKILL, "\(point): \(coordinator.standardError)")
                    worker?.kill()
                }
                let last = try fleet.launch()
                try last.eventually("the last start") { fleet.endpoint != nil || !last.isRunning }
                // A run that listens has steps to do, or to do again.
                try fleet.expectToFinish(fleet.endpoint != nil ? [try fleet.worker(hasData: true)] : [])
                #expect(try evaluations(fleet.run) == expected)
            }
        }

        func expectNoLitter(_ run: Run, _ point: String) throws {
            // What is being written right now is no litter.
            let steps = try run.store.steps()
            let names = try FileManager.default.contentsOfDirectory(atPath: run.store.directory)
            let litter = names.filter { $0.hasPrefix(".") && !$0.contains("step-00000000") && !steps.isEmpty }
            #expect(litter.isEmpty, "\(point): \(litter)")
        }

        /// Stopped for so long that another took the run over. On one machine it cannot: the stopped process holds the lock. Over a network file
        /// system it can, as if the lock's file were another one.
        @Test func aCoordinatorThatWasSupersededWritesNothing() throws {
            let workshop = try Workshop.here()
            let reference = try workshop.smallReference()
            try workshop.withRun({ $0.settings = Run.smallModel }) { fleet in
                let old = try fleet.start()
                let oldWorker = try fleet.worker(hasData: true)
                try fleet.waitForSteps(2)
                old.signal(SIGSTOP)
                let journal = fleet.run.journalText
                let refused = try fleet.launch()
                #expect(try refused.exitCode() == 73)
                #expect(refused.complaints.last?.contains("in use by pid \(old.processID) on host ") == true, "\(refused.complaints)")
                #expect(fleet.run.journalText == journal)
                #expect(try String(contentsOfFile: "\(fleet.run.path)/generation", encoding: .utf8) == "1\n")

                try FileManager.default.moveItem(atPath: "\(fleet.run.path)/run.lock", toPath: "\(fleet.run.path)/lost.lock")
                let new = try fleet.start()
                old.signal(SIGCONT)
                #expect(try old.exitCode() == 73, "\(old.standardError)")
                #expect(old.complaints.last?.contains("this coordinator is generation 1, generation 2 has taken over") == true, "\(old.complaints)")
                #expect(try oldWorker.exitCode() == 73)
                #expect(fleet.run.journalText == journal && new.isRunning)
                try fleet.expectToFinish([try fleet.worker(hasData: true)])
                try fleet.run.expectEqual(to: reference)
            }
        }
    }
}

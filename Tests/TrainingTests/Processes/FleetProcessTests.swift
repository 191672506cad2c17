import Checkpoints
import Fleet
import Foundation
import ImageData
import NeuralNet
import TensorCore
import Testing
import Training

extension ProcessTests {
    /// The promise of the project: the weights after 20 steps have the same bits, whoever computed them and whatever happened meanwhile.
    @Suite struct FleetProcessTests {
        struct Worker: Sendable, CustomTestStringConvertible {
            let threads: Int
            let hasData: Bool
            var testDescription: String { "\(threads) threads\(hasData ? ", own data" : "")" }
        }

        /// Together: 1 and 2 threads, with and without own data. One worker is the reference.
        @Test(arguments: [
            [Worker(threads: 2, hasData: false), Worker(threads: 1, hasData: true)],
            [Worker(threads: 2, hasData: true), Worker(threads: 1, hasData: false), Worker(threads: 2, hasData: false)],
            (0..<5).map { Worker(threads: 1, hasData: $0 % 2 == 0) }
        ])
        func anyNumberOfWorkersGivesTheSameBits(_ workers: [Worker]) throws {
            let workshop = try Workshop.here()
            let reference = try workshop.reference()
            // The optimizer's threads move no bit either.
            try workshop.withRun({ $0.more = ["--threads", "\(workers.count)"] }) { fleet in
                try fleet.start(minimumWorkers: workers.count)
                try fleet.expectToFinish(workers.map { try fleet.worker(threads: $0.threads, hasData: $0.hasData) })
                try fleet.run.expectEqual(to: reference)
                #expect(try fleet.run.sessions().count >= workers.count, "everybody took part")
                #expect(try fleet.run.store.steps() == [10, 15, 20], "every fifth step, the last three kept")
            }
        }

        /// A loop over the slots in this process, no fleet: the first steps of the shipped preset with the tokenizer's own losses. The kernels are those that the BLAS library
        /// chose for this process; the commands are told to use the same ones.
        @Test func aFleetComputesWhatAPlainLoopComputes() throws {
            NumericEnvironment.useOneBLASThread()
            let environment = ["OPENBLAS_CORETYPE": NumericEnvironment.kernelFamily]
            let steps = 3
            try Workshop.here().withRun({ $0.settings[0] = "training.steps=\(steps)" }) { fleet in
                try fleet.start(environment: environment)
                try fleet.expectToFinish([try fleet.worker(hasData: false, environment: environment)])
                let configuration = try fleet.run.configuration
                let task = try TokenizerTask(configuration)
                let folder = try ImageFolder(root: fleet.run.data)
                let plan = TrainingPlan(configuration: configuration, sampleCount: folder.count)
                let pool = ThreadPool(threads: 2)
                var state = AdamW.State(weights: task.layout.initialWeights(seed: 1))
                let optimizer = AdamW(beta1: 0.5, beta2: 0.9, emaDecay: 0.99)
                let journal = try fleet.run.journal()
                try #require(journal.count == steps)
                for step in 0..<steps {
                    func sum(_ slots: Range<Int>) throws -> Tensor {
                        if slots.count == 1 {
                            let result = Tensor(uninitialised: [task.resultCount])
                            let images = try plan.samples(step: step, slot: slots.lowerBound).map {
                                (sample: $0, name: folder.path(of: $0), bytes: try folder.bytes(of: $0))
                            }
                            try task.computeSlot(
                                weights: state.weights, images: images, step: step, slot: slots.lowerBound,
                                kept: plan.keptTokens(step: step), into: result, pool: pool)
                            return result
                        }
                        let middle = (slots.lowerBound + slots.upperBound) / 2
                        let left = try sum(slots.lowerBound..<middle)
                        left.accumulateInPlace(try sum(middle..<slots.upperBound), pool: ThreadPool(threads: 1))
                        return left
                    }
                    let outcome = task.vectors.outcome(of: try sum(0..<8), pool: pool)
                    optimizer.update(&state, gradient: outcome.gradient, learningRate: 2e-4, pool: pool)
                    #expect(outcome.images == 16)
                    #expect(journal[step].weightsDigest == TrainingState.digest(of: state.weights), "step \(step)")
                    #expect(journal[step].values["loss"] == outcome.terms.first?.value)
                    #expect(journal[step].values["kept_tokens"] == Double(plan.keptTokens(step: step)))
                }
            }
        }

        @Test func aWorkerKilledInMidStepChangesNothing() throws {
            let workshop = try Workshop.here()
            let reference = try workshop.reference()
            try workshop.withRun { fleet in
                let coordinator = try fleet.start(minimumWorkers: 2)
                let (survivor, victim) = (
                    try fleet.worker(hasData: true), try fleet.worker(hasData: false, more: ["--log-level", "debug"])
                )
                try fleet.waitForSteps(3)
                try fleet.killInMidStep([victim])
                let steps = fleet.run.committed
                try fleet.expectToFinish([survivor])
                try fleet.run.expectEqual(to: reference)
                #expect(steps < Run.steps && fleet.run.committed == Run.steps)
                #expect(
                    coordinator.lines.contains { $0.contains(" lost: ") && $0.hasSuffix("goes to another worker") },
                    "\(coordinator.standardError)")
                #expect(try fleet.run.sessions().count == 2)
            }
        }

        /// The first worker is alone, a second one joins, the first one is asked to end.
        @Test func workersJoinLateAndLeaveEarly() throws {
            let workshop = try Workshop.here()
            let reference = try workshop.reference()
            try workshop.withRun { fleet in
                let coordinator = try fleet.start()
                let first = try fleet.worker(hasData: true)
                try fleet.waitForSteps(3)
                #expect(try fleet.run.sessions().count == 1)
                let second = try fleet.worker(hasData: false)
                try coordinator.eventually("the second worker to take part") { try fleet.run.sessions().count == 2 }
                let before = fleet.run.committed
                first.signal(SIGTERM)
                #expect(try first.exitCode() == 0 && first.complaints.isEmpty, "\(first.standardError)")
                #expect(coordinator.isRunning && before < Run.steps)
                try fleet.expectToFinish([second])
                try fleet.run.expectEqual(to: reference)
                #expect(coordinator.lines.contains { $0.hasSuffix("left: asked to stop") }, "\(coordinator.standardError)")
                let last = try #require(try fleet.run.journal().last)
                #expect(Set(last.blocks.map(\.session)).count == 1, "the second one did the last step alone")
            }
        }

        @Test func allWorkersKilledAndNewOnesStarted() throws {
            let workshop = try Workshop.here()
            let reference = try workshop.reference()
            try workshop.withRun { fleet in
                let coordinator = try fleet.start(minimumWorkers: 2)
                let first = try (0..<2).map { _ in try fleet.worker(hasData: true, more: ["--log-level", "debug"]) }
                try fleet.waitForSteps(3)
                try fleet.killInMidStep(first)
                try coordinator.eventually("both to be missed") { coordinator.lines.count { $0.contains(" lost: ") } == 2 }
                #expect(coordinator.isRunning && fleet.run.committed < Run.steps)
                try fleet.expectToFinish(try (0..<2).map { _ in try fleet.worker(hasData: true) })
                try fleet.run.expectEqual(to: reference)
            }
        }

        /// The same command again, on the same port: the workers come back by themselves.
        @Test func aKilledCoordinatorResumesFromItsCheckpoint() throws {
            let workshop = try Workshop.here()
            let reference = try workshop.reference()
            let port = try freePortPair()
            try workshop.withRun({ $0.listen = "tcp://127.0.0.1:\(port)" }) { fleet in
                let first = try fleet.start(minimumWorkers: 2)
                let workers = try [true, false].map { try fleet.worker(hasData: $0) }
                try first.eventually("a checkpoint and two steps after it") {
                    try fleet.run.store.steps().contains { $0 >= 5 && fleet.run.committed >= $0 + 2 }
                }
                first.kill()
                let (journal, newest) = (fleet.run.journalText, try #require(try fleet.run.store.steps().last))
                let committed = fleet.run.committed
                #expect(newest < committed && committed < Run.steps, "steps must be left to replay and to do")

                let second = try fleet.start(minimumWorkers: 2)
                #expect(
                    second.lines.first?.hasPrefix("resuming from step \(newest) (") == true
                        && second.lines.first?.contains("; \(committed - newest) journaled steps are computed again") == true,
                    "\(second.lines)")
                try fleet.expectToFinish(workers)
                #expect(fleet.run.journalText.hasPrefix(journal), "lines that were there stay as they are")
                try fleet.run.expectEqual(to: reference)
                let metrics = try String(contentsOfFile: "\(fleet.run.path)/metrics.jsonl", encoding: .utf8)
                #expect(metrics.split(separator: "\n").count == Run.steps, "one line of metrics a step, also for those done twice")
            }
        }

        @Test func aStoppedCoordinatorContinues() throws {
            let workshop = try Workshop.here()
            let reference = try workshop.reference()
            try workshop.withRun { fleet in
                let first = try fleet.start()
                let workers = try [true, false].map { try fleet.worker(hasData: $0) }
                try fleet.waitForSteps(7)
                first.signal(SIGTERM)
                #expect(try first.exitCode() == 75)
                #expect(first.complaints == ["mvq-coordinator: stopped; the same command continues the run"], "\(first.standardError)")
                for worker in workers { #expect(try worker.exitCode() == 75, "\(worker.standardError)") }
                let committed = fleet.run.committed
                #expect(committed < Run.steps)
                #expect(try fleet.run.store.steps().last == committed, "a checkpoint of the last step")

                let second = try fleet.start()
                #expect(second.lines.first?.hasPrefix("resuming from step \(committed) (") == true, "\(second.lines)")
                #expect(second.lines.first?.contains("computed again") == false)
                try fleet.expectToFinish(try [true, false].map { try fleet.worker(hasData: $0) })
                try fleet.run.expectEqual(to: reference)
            }
        }

        /// A finished run started again is finished at once, without workers.
        @Test func aFinishedRunHasNothingToDo() throws {
            let workshop = try Workshop.here()
            let copy = try workshop.reference().copy(to: workshop.path("finished"))
            let before = try copy.contents()
            let (exitCode, command) = try workshop.command("mvq-coordinator", copy.arguments)
            #expect(exitCode == 0 && command.complaints.isEmpty, "\(command.standardError)")
            #expect(try copy.journalText == workshop.reference().journalText && copy.results() == workshop.reference().results())
            #expect(try copy.contents().keys.sorted() == before.keys.sorted())
        }

        /// What a step computed again must equal is what the journal says, not what the checkpoint leads to.
        @Test func aReplayedStepThatDiffersStopsTheRun() throws {
            let workshop = try Workshop.here()
            let copy = try workshop.reference().copy(to: workshop.path("forged"))
            for name in ["step-00000020.h5", "step-00000020.json"] {
                try FileManager.default.removeItem(atPath: "\(copy.store.directory)/\(name)")
            }
            var records = try copy.journal()
            records[16].weightsDigest = String(repeating: "0", count: 64)
            try Run.writeJournal(records, to: "\(copy.path)/journal.jsonl")
            let before = try copy.contents()
            try withFleet(of: copy) { fleet in
                let coordinator = try fleet.start()
                let worker = try fleet.worker(threads: 2, hasData: true)
                #expect(try coordinator.exitCode() == 67 && coordinator.complaints.count == 1, "\(coordinator.standardError)")
                #expect(
                    coordinator.complaints.last?.contains("step 16 computed again has weight digest ") == true,
                    "\(coordinator.complaints)")
                #expect(try worker.exitCode() == 67)
                #expect(try copy.contents() == before, "journal and checkpoints are as they were")
            }
        }
    }
}

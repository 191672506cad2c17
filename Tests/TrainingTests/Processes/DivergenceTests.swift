import Checkpoints
import Foundation
import ImageData
import Testing
import Training

extension ProcessTests {
    /// A run whose numbers stop being finite: it says where, keeps its last checkpoint, and can be taken up again with other settings.
    @Suite struct DivergenceTests {
        private static func settings(learningRate: String) -> [String] {
            [
                "training.steps=3", "training.global_batch=16", "training.slots=2", "checkpoints.every_steps=2", "checkpoints.keep_last=1",
                "model.channels=8", "model.attention_blocks=3", "optimizer.learning_rate=\(learningRate)",
            ]
        }

        /// The run's only checkpoint is of this step and finite, averages included.
        private func expectFiniteCheckpoint(_ run: Run, step: Int) throws {
            #expect(try run.store.steps() == [step], "nothing worse was written, nothing was removed")
            let state = try TrainingState(try run.store.load(step: step), model: TokenizerTask(try run.configuration).model)
            #expect(state.step == step && state.optimizer.weights.isFinite && state.optimizer.ema.isFinite)
        }

        /// Runs coordinator and worker until the run stops; the coordinator's complaint.
        private func diverge(_ fleet: TestFleet, hasData: Bool) throws -> String {
            let coordinator = try fleet.start()
            let worker = try fleet.worker(hasData: hasData)
            #expect(try coordinator.exitCode() == 76 && worker.exitCode() == 76, "\(coordinator.standardError)\(worker.standardError)")
            expectOneComplaint(coordinator, ["is not a finite number", "the last checkpoint is intact", "--resume FILE"])
            #expect(worker.complaints.count == 1, "\(worker.standardError)")
            return try #require(coordinator.complaints.last)
        }

        /// The first update sends the weights where the products of a forward pass overflow: the second step's losses are not finite, and the
        /// weights after the first, which are, are no checkpoint to go on from.
        @Test func aLossThatIsNotFiniteNamesStepSlotTermAndFiles() throws {
            try Workshop.here().withRun({ $0.settings = Self.settings(learningRate: "1e15") }) { fleet in
                let complaint = try diverge(fleet, hasData: false)
                #expect(complaint.hasPrefix("mvq-coordinator: worker ") && complaint.contains("step 1, slot "), "\(complaint)")
                #expect(complaint.contains(": the loss term "), "\(complaint)")
                let slot = try #require(
                    complaint.range(of: "slot ").flatMap { Int(complaint[$0.upperBound...].prefix { $0.isNumber }) }, "\(complaint)")
                let folder = try ImageFolder(root: fleet.run.data)
                let images = TrainingPlan(configuration: try fleet.run.configuration, sampleCount: folder.count).samples(step: 1, slot: slot)
                #expect(images.count == 8)
                let named = images.prefix(3).map { folder.path(of: $0) }.joined(separator: ", ")
                #expect(complaint.contains("computed from \(named) and 5 more (sample ids \(images.map(String.init).joined(separator: ", "))); "), "\(complaint)")
                try expectFiniteCheckpoint(fleet.run, step: 0)
                #expect(fleet.run.committed == 1)

                // The same command meets the same end, and loses nothing.
                let before = try fleet.run.contents()
                let again = try diverge(fleet, hasData: true)
                #expect(again.contains("step 1, slot "), "\(again)")
                #expect(try fleet.run.contents() == before)
            }
        }

        /// An update that is not finite is found before it is committed. What a person does then: the run keeps its settings, a new one may start from its checkpoint with others.
        @Test func aNewRunGoesOnFromTheLastCheckpoint() throws {
            let workshop = try Workshop.here()
            try workshop.withRun({ $0.settings = Self.settings(learningRate: "1e60") }) { fleet in
                let complaint = try diverge(fleet, hasData: true)
                #expect(complaint.hasPrefix("mvq-coordinator: step 0: a weight after the update is not a finite number;"), "\(complaint)")
                try expectFiniteCheckpoint(fleet.run, step: 0)

                var same = fleet.run
                same.settings = Self.settings(learningRate: "2e-4")
                try expectRefusal(
                    "mvq-coordinator", same.arguments, exitCode: 78, "\(same.path): was started with optimizer.learning_rate 1e+60, not 0.0002",
                    "another --run")

                var next = Run(path: workshop.path("next"), data: same.data)
                defer { try? FileManager.default.removeItem(atPath: next.path) }
                next.more = ["--resume", same.store.path(of: 0)]
                next.settings = same.settings + ["model.layer_scale=0.2"]
                try expectRefusal(
                    "mvq-coordinator", next.arguments, exitCode: 78, "\(same.store.path(of: 0)): was started with model.layer_scale 0.1, not 0.2")
                next.settings = same.settings
                try withFleet(of: next) { fleet in
                    let coordinator = try fleet.start()
                    try fleet.expectToFinish([try fleet.worker(threads: 2, hasData: true)])
                    #expect(coordinator.lines.contains("not as in the checkpoint: optimizer.learning_rate 0.0002, was 1e+60"), "\(coordinator.lines)")
                    try expectFiniteCheckpoint(next, step: 3)
                    #expect(try next.journal().last?.weightsDigest == next.weightsDigest(ofCheckpoint: 3))
                }
                #expect(try fleet.run.store.steps() == [0], "the old run is as it was")
            }
        }
    }
}

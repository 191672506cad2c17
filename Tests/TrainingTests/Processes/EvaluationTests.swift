import Foundation
import ImageData
import Testing
import Training

extension ProcessTests {
    /// Evaluation of a run's checkpoints while it trains.
    @Suite struct EvaluationTests {
        private static let settings = [
            "training.steps=6", "training.global_batch=16", "checkpoints.every_steps=3", "checkpoints.keep_last=1", "evaluation.every_steps=2",
            "evaluation.images=6", "evaluation.kept_tokens=[25, 64]", "evaluation.pictures=2", "losses.perceptual=1", "perceptual.network=random",
            "perceptual.channels=2",
        ]

        private func records(_ run: Run) throws -> [EvaluationRecord] {
            try String(contentsOfFile: run.path + "/evaluation.jsonl", encoding: .utf8).split(separator: "\n").map {
                try #require(EvaluationRecord(json: String($0)), "\($0)")
            }
        }

        /// A run that is stopped and one that is killed say the same, byte for byte, as one that is left alone.
        @Test func everyDueStepIsEvaluatedOnce() throws {
            let workshop = try Workshop.here()
            let reference = try workshop.withRun({ $0.settings = Self.settings }) { fleet in
                let coordinator = try fleet.start()
                try fleet.expectToFinish([try fleet.worker(threads: 1, hasData: true)])
                let run = fleet.run
                let records = try records(run)
                #expect(records.map(\.step) == [0, 0, 2, 2, 4, 4, 6, 6] && records.map(\.keptTokens) == [25, 64, 25, 64, 25, 64, 25, 64])
                for record in records {
                    #expect(record.images == 6 && record.weights == "ema" && record.lpipsNetwork == "random")
                    let picture = try ImageFile.read(String(format: "%@/evaluation/step-%08d.png", run.path, record.step))
                    // Two rows; original, and three columns for each number of kept tokens.
                    #expect(picture.width == 7 * 194 + 2 && picture.height == 2 * 194 + 2)
                    #expect(coordinator.standardError.contains("step \(record.step) evaluated (6 images, K 25): PSNR "))
                }

                // The best stays, under its name.
                let means = [0, 2, 4, 6].map { step in (step, records.filter { $0.step == step }.compactMap(\.reconstruction.psnr).reduce(0, +)) }
                let best = try #require(means.max { $0.1 < $1.1 }?.0)
                #expect(
                    try FileManager.default.destinationOfSymbolicLink(atPath: run.store.directory + "/best")
                        == String(format: "step-%08d.h5", best))
                #expect(try run.store.load(step: best).checkpoint.step == best)
                #expect(try run.store.steps() == Array(Set([best, 6])).sorted(), "the best and the last")

                // What the file says is what the checkpoint does.
                let trained = try TokenizerCheckpoint(path: run.store.path(of: 6), weights: .ema)
                let folder = try ImageFolder(root: run.data, split: "val")
                let evaluation = try TokenizerEvaluation(
                    trained, keptTokens: [25, 64],
                    perceptual: EvaluationNetwork.perceptual(trained.configuration), threads: 2)
                let report = try evaluation.run(folder, samples: TokenizerEvaluation.samples(6, of: folder), examples: 0)
                #expect(report.records == Array(records.suffix(2)))
                return try String(contentsOfFile: run.path + "/evaluation.jsonl", encoding: .utf8)
            }
            try workshop.withRun({ $0.settings = Self.settings }) { fleet in
                let first = try fleet.start()
                let worker = try fleet.worker(threads: 1, hasData: true)
                try fleet.waitForSteps(1)
                first.signal(SIGTERM)
                #expect(try first.exitCode() == 75)
                #expect(try worker.exitCode() == 75)
                let second = try fleet.start()
                let other = try fleet.worker(threads: 1, hasData: true)
                try fleet.waitForSteps(4)
                for command in [second, other] {
                    command.signal(SIGKILL)
                    command.kill()
                }
                try fleet.start()
                try fleet.expectToFinish([try fleet.worker(threads: 1, hasData: true)])
                #expect(try String(contentsOfFile: fleet.run.path + "/evaluation.jsonl", encoding: .utf8) == reference)
            }
        }

        /// A finished run whose evaluations are gone gets them at the next start, from the checkpoints that are there.
        @Test func aFinishedRunIsEvaluatedAtTheNextStart() throws {
            let workshop = try Workshop.here()
            let run = try workshop.reference().copy(to: workshop.path("evaluated"))
            var evaluated = run
            evaluated.settings += ["evaluation.every_steps=10", "evaluation.images=2", "evaluation.kept_tokens=[64]"]
            let (exitCode, command) = try workshop.command("mvq-coordinator", evaluated.arguments)
            #expect(exitCode == 0, "\(command.standardError)")
            #expect(try records(run).map(\.step) == [10, 20])
        }

        @Test func withoutValidationImagesTrainingGoesOn() throws {
            let workshop = try Workshop.here()
            let data = workshop.path("train-only")
            try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
            try FileManager.default.createSymbolicLink(atPath: data + "/train", withDestinationPath: try workshop.dataset() + "/train")
            var run = Run(path: workshop.path("run"), data: data)
            run.settings = Self.settings + ["training.steps=1"]
            try withFleet(of: run) { fleet in
                let coordinator = try fleet.start()
                try fleet.expectToFinish([try fleet.worker(hasData: true)])
                #expect(coordinator.standardError.contains("nothing will be evaluated: no folder \(data)/val"))
                #expect(!FileManager.default.fileExists(atPath: run.path + "/evaluation.jsonl"))
            }
        }

        /// An image that cannot be decoded costs an evaluation, not the run.
        @Test func aBadValidationImageIsNamed() throws {
            let workshop = try Workshop.here()
            let data = workshop.path("bad-validation")
            try FileManager.default.createDirectory(atPath: data + "/val/a", withIntermediateDirectories: true)
            try FileManager.default.createSymbolicLink(atPath: data + "/train", withDestinationPath: try workshop.dataset() + "/train")
            try Data("no image".utf8).write(to: URL(fileURLWithPath: data + "/val/a/broken.JPEG"))
            var run = Run(path: workshop.path("run"), data: data)
            run.settings = Self.settings + ["training.steps=1"]
            try withFleet(of: run) { fleet in
                let coordinator = try fleet.start()
                try fleet.expectToFinish([try fleet.worker(hasData: true)])
                #expect(coordinator.standardError.contains("step 0 not evaluated: image \(data)/val/a/broken.JPEG"))
            }
        }
    }
}

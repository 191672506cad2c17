import Checkpoints
import Checksums
import Fleet
import Foundation
import ImageData
import Telemetry
import TensorCore
import Testing
import Training
import Transport

/// What a coordinator refuses to commit: steps without workers, their gradients zeros that claim a number of images.
@Suite struct ExactlyOnceTests {
    /// Ten pictures, steps of four in two slots: epochs of three steps, the last one half empty.
    private struct World {
        let run: String
        let coordinator: CoordinatorRun
        let plan: TrainingPlan
        private let vectors: TrainingVectors

        init(_ root: String, run name: String = "run") throws {
            if !FileManager.default.fileExists(atPath: "\(root)/train") {
                try FileManager.default.createDirectory(atPath: "\(root)/train/class", withIntermediateDirectories: true)
                for image in try SmallModel.images(10) { try ImageFile.write(image.bytes, to: "\(root)/train/class/\(image.sample).JPEG") }
            }
            run = "\(root)/\(name)"
            var configuration = SmallModel.configuration
            configuration.training.globalBatch = 4
            configuration.training.slots = 2
            configuration.evaluation.everySteps = 0
            plan = TrainingPlan(configuration: configuration, sampleCount: 10)
            vectors = TrainingVectors(try TokenizerTask(configuration).model)
            coordinator = try CoordinatorRun(
                configuration: configuration, options: CoordinatorOptions(data: root, run: run, listen: "tcp://127.0.0.1:*"),
                progress: ProgressLine(style: .plain()) { _ in })
        }

        /// Two sessions compute a slot each.
        /// - Parameters:
        ///   - finished: how many of the blocks are said to be finished.
        ///   - missing: images that the sum lacks.
        func step(_ step: Int, finished: Int = 2, missing: Int = 0) throws {
            var table = LeaseTable(slots: 2)
            for number in 0..<2 {
                let session = SessionID(high: 0, low: UInt64(number))
                let granted = table.grant(to: session, size: 1, now: .current)
                let block = try #require(granted)
                let images = plan.samples(step: step, block: block).count - (number == 0 ? missing : 0)
                let gradient = BulkBuffer(count: vectors.resultCount * MemoryLayout<Float>.stride)
                withExtendedLifetime(gradient) { gradient.bytes.bindMemory(to: Float.self)[vectors.layout.count] = Float(images) }
                try coordinator.merge(step: step, block: block, gradient: gradient)
                _ = table.finish(block, by: session, digest: "")
            }
            _ = try coordinator.finishStep(step, blocks: Array(table.finished.prefix(finished)))
        }

        /// Ends the run in good order: with a checkpoint.
        func stop() {
            coordinator.requestStop()
            #expect(coordinator.run().exitCode == ExitCode.preempted)
        }

        func journal() throws -> [JournalRecord] {
            try Journal(reading: String(contentsOfFile: "\(run)/journal.jsonl", encoding: .utf8)) { SHA256.digest(of: $0) }.records
        }
    }

    /// The one line of a step that is refused.
    private func refusal(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "nothing"
        } catch {
            return (error as? any ExitCoded)?.exitCode == ExitCode.replayMismatch ? "\(error)" : "another error: \(error)"
        }
    }

    @Test func theJournalCountsWhatWasComputed() throws {
        try withTemporaryFolder { root in
            let world = try World(root)
            for step in 0..<4 { try world.step(step) }
            world.stop()
            let random = Philox(seed: 1, domain: "sample-audit")
            func hash(_ samples: some Sequence<Int>, epoch: Int) -> String {
                String(samples.reduce(UInt64(0)) { $0 &+ random.bits(step: epoch, sample: $1) }, radix: 16)
            }
            let hashes = try world.journal().map(\.auditHash)
            #expect(hashes.count == 4 && hashes[2] == "10:" + hash(0..<10, epoch: 0))
            #expect(hashes[3] == "4:" + hash(world.plan.samples(step: 3, block: .all(slots: 2)), epoch: 1))
            let report = try RunAudit.report(on: world.run)
            #expect(report.holds && report.checkedLines == 4 && report.completeEpochs == 1 && report.images == 14, "\(report.text)")
        }
    }

    /// A new run's first checkpoint follows from the seed.
    @Test func weightsThatNoStepMadeAreFound() throws {
        try withTemporaryFolder { root in
            let world = try World(root)
            world.stop()
            let report = try RunAudit.report(on: world.run)
            #expect(report.holds && report.checkpoints == [0] && report.unknown.isEmpty && report.firstStep == nil, "\(report.text)")
            let store = CheckpointStore(directory: "\(world.run)/checkpoints")
            let start = try store.load(step: 0).checkpoint
            let arrays = start.arrays.map { array in
                CheckpointArray(path: array.path, shape: array.shape, values: array.path.hasPrefix("/model/") ? array.values.map(\.nextUp) : array.values)
            }
            var attributes = start.attributes
            attributes["weights_digest"] = nil
            try store.publish(Checkpoint(step: 0, attributes: attributes, arrays: arrays))
            let altered = try RunAudit.report(on: world.run)
            #expect(!altered.holds && altered.checkpoints.isEmpty && altered.problems.count == 1, "\(altered.text)")
            let problem = try #require(altered.problems.first).description
            #expect(problem.hasPrefix("checkpoints/step-00000000.h5 (step 0): weightsDigest is ") && problem.contains(", the seed gives "), "\(problem)")
        }
    }

    @Test func aSumOfTooFewImagesIsRefused() throws {
        try withTemporaryFolder { root in
            let world = try World(root)
            try world.step(0)
            let text = refusal { try world.step(1, missing: 1) }
            #expect(text.hasPrefix("epoch 0, step 1: the sum of its gradients is made of 3 images, the plan has 4; the step was not "), "\(text)")
            #expect(try world.journal().map(\.step) == [0])
            world.stop()
        }
    }

    @Test func aStepWithoutAllItsSlotsIsRefused() throws {
        try withTemporaryFolder { root in
            let world = try World(root)
            let text = refusal { try world.step(0, finished: 1) }
            #expect(text.hasPrefix("epoch 0, step 0: of its slots, slot 1 is missing; the step was not committed"), "\(text)")
            #expect(try world.journal().isEmpty)
            world.stop()
        }
    }

    /// A run that is taken up within an epoch counts on from its journal, and the epoch's end shows that something was lost before.
    @Test func anEpochThatLostASampleIsRefusedAtItsEnd() throws {
        try withTemporaryFolder { root in
            let world = try World(root)
            for step in 0..<2 { try world.step(step) }
            world.stop()
            var records = try world.journal()
            for isHonest in [true, false] {
                let name = isHonest ? "honest" : "forged"
                try FileManager.default.copyItem(atPath: world.run, toPath: "\(root)/\(name)")
                if !isHonest {
                    records[1].auditHash = "7:" + records[1].auditHash.dropFirst(2)
                    try Run.writeJournal(records, to: "\(root)/\(name)/journal.jsonl")
                }
                let next = try World(root, run: name)
                let text = refusal { try next.step(2) }
                if isHonest {
                    #expect(text == "nothing")
                } else {
                    #expect(text.hasPrefix("epoch 0, step 2: at the epoch's end the audit hash of its samples is 9:"), "\(text)")
                    #expect(text.contains(", every sample once gives 10:") && text.contains("--resume FILE"), "\(text)")
                    #expect(try next.journal().count == 2)
                }
                next.stop()
            }
        }
    }
}

import Fleet
import Foundation
import ImageData
import TensorCore
import Testing
import Training
import Transport

extension ProcessTests {
    /// What people get wrong: one line that names the file, key or peer and the mend; the documented exit code; nothing lost.
    @Suite struct BadInputTests {
        private var coordinator: Run {
            get throws { Run(path: try Workshop.here().path("refused"), data: try Workshop.here().dataset()) }
        }

        // MARK: Data

        @Test func aMissingDataFolderIsNamed() throws {
            var run = try coordinator
            run = Run(path: run.path, data: "\(run.path)-no-such-data")
            try expectRefusal("mvq-coordinator", run.arguments, exitCode: 65, "no folder \(run.data)/train", "expected ImageNet's layout")
            #expect(!FileManager.default.fileExists(atPath: run.path), "no run was begun")
            try expectRefusal(
                "mvq-worker", ["--connect", "tcp://127.0.0.1:1", "--data", run.data], exitCode: 65, "no folder \(run.data)/train")
            try expectRefusal("mvq", ["dataset", "inspect", run.data], exitCode: 65, run.data)
            try FileManager.default.createDirectory(atPath: "\(run.data)/train/empty", withIntermediateDirectories: true)
            try expectRefusal("mvq-coordinator", run.arguments, exitCode: 65, "no images in \(run.data)/train", "*.JPEG")
        }

        enum Damage: String, CaseIterable, Sendable {
            case truncated, text, cmyk

            func bytes(_ intact: [UInt8]) throws -> [UInt8] {
                switch self {
                case .truncated: return Array(intact[..<(intact.count / 2)])
                // As long as the image was: the dataset's fingerprint stays.
                case .text: return (0..<intact.count).map { Array("not an image, ".utf8)[$0 % 14] }
                case .cmyk: return Array(try #require(Data(base64Encoded: cmykJPEG)))
                }
            }

            var complaint: [String] {
                switch self {
                case .truncated: ["is truncated", "copy it again or delete it"]
                case .text: ["is not a JPEG but a text file", "convert it to JPEG or delete it"]
                case .cmyk: ["is CMYK", "convert it to RGB"]
                }
            }
        }

        /// A dataset of 32 images for which `body` gets the file of one that step 1, the second, needs.
        private func withSmallDataset(steps: Int, _ body: (TestFleet, _ sample: Int, _ file: String) throws -> Void) throws {
            let workshop = try Workshop.here()
            let data = workshop.path("small-data")
            defer { try? FileManager.default.removeItem(atPath: data) }
            try DatasetSynthesizer(DatasetSynthesizer.Settings(classes: 2, perClass: 16, size: 64)).write(to: data)
            var run = Run(path: workshop.path("bad-image"), data: data)
            defer { try? FileManager.default.removeItem(atPath: run.path) }
            run.settings = ["training.steps=\(steps)", "training.global_batch=16"]
            let folder = try ImageFolder(root: data)
            let sample = TrainingPlan(configuration: try run.configuration, sampleCount: folder.count).samples(step: 1, slot: 5)[1]
            try withFleet(of: run) { try body($0, sample, folder.path(of: sample)) }
        }

        @Test(arguments: Damage.allCases, [true, false])
        func aBadImageMetInTrainingIsNamed(_ damage: Damage, workersHaveData: Bool) throws {
            try withSmallDataset(steps: 4) { fleet, sample, file in
                try Data(damage.bytes(ImageFile.bytes(of: file))).write(to: URL(fileURLWithPath: file))
                let coordinator = try fleet.start(minimumWorkers: 2)
                let workers = try (0..<2).map { _ in try fleet.worker(hasData: workersHaveData) }
                #expect(try coordinator.exitCode() == 65, "\(coordinator.standardError)")
                expectOneComplaint(coordinator, ["worker ", "image \(file) "] + damage.complaint)
                for worker in workers {
                    #expect(try worker.exitCode() == 65, "\(worker.standardError)")
                    expectOneComplaint(
                        worker, ["image \(workersHaveData ? file : "sample \(sample) of the coordinator's dataset") "] + damage.complaint)
                }
                #expect(try fleet.run.committed == 1 && fleet.run.store.steps() == [0, 1], "the step before it is not lost")
                #expect(try fleet.run.weightsDigest(ofCheckpoint: 1) == fleet.run.journal().last?.weightsDigest)
            }
        }

        @Test func theRunGoesOnOnceTheImageIsWhole() throws {
            try withSmallDataset(steps: 3) { fleet, _, file in
                let intact = try ImageFile.bytes(of: file)
                try Data(Damage.text.bytes(intact)).write(to: URL(fileURLWithPath: file))
                let first = try fleet.start()
                let worker = try fleet.worker(hasData: false)
                #expect(try first.exitCode() == 65 && worker.exitCode() == 65)
                let journal = fleet.run.journalText

                try Data(intact).write(to: URL(fileURLWithPath: file))
                let second = try fleet.start()
                try fleet.expectToFinish([try fleet.worker(hasData: false)])
                #expect(second.lines.first?.hasPrefix("resuming from step 1 ") == true, "\(second.lines)")
                #expect(fleet.run.journalText.hasPrefix(journal))
            }
        }

        @Test func anotherDatasetIsRefused() throws {
            let workshop = try Workshop.here()
            let data = workshop.path("other-data")
            try DatasetSynthesizer(DatasetSynthesizer.Settings(classes: 2, perClass: 16, size: 64, seed: 9)).write(to: data)
            let reference = try workshop.reference()
            let copy = try reference.copy(to: workshop.path("run-with-other-data"))
            var run = Run(path: copy.path, data: data)
            run.settings = copy.settings
            let before = try copy.contents()
            try expectRefusal("mvq-coordinator", run.arguments, exitCode: 65, copy.path, "fingerprint", "give the same --data")
            #expect(try copy.contents() == before)

            try withFleet(of: try coordinator) { fleet in
                let coordinator = try fleet.start()
                let worker = try fleet.worker(hasData: true, data: data)
                #expect(try worker.exitCode() == 78)
                expectOneComplaint(worker, ["fingerprint", "copy the dataset again, or start the worker without --data"])
                #expect(coordinator.isRunning)
            }
        }

        // MARK: Configuration

        @Test func anUnknownKeyIsNamed() throws {
            var run = try coordinator
            run.settings = ["training.step=3"]
            try expectRefusal("mvq-coordinator", run.arguments, exitCode: 78, "--set training.step=3", "did you mean 'training.steps'?")
            let file = try Workshop.here().path("own.yaml")
            try "seed: 1\nlosses:\n  entropie: 0.2\n".write(toFile: file, atomically: true, encoding: .utf8)
            let arguments = ["--config", file, "--data", run.data, "--run", run.path]
            try expectRefusal(
                "mvq-coordinator", arguments, exitCode: 78, "\(file):3: unknown key 'losses.entropie'", "did you mean 'losses.entropy'?")
            try expectRefusal(
                "mvq-coordinator", ["--config", file + "x", "--data", run.data, "--run", run.path], exitCode: 78,
                "\(file)x: cannot be read")
            #expect(!FileManager.default.fileExists(atPath: run.path), "no run was begun")
        }

        @Test func theConfigurationOfAnotherRunIsRefused() throws {
            let workshop = try Workshop.here()
            var copy = try workshop.reference().copy(to: workshop.path("run-with-other-configuration"))
            let before = try copy.contents()
            let configuration = try fileDigest("\(copy.path)/config.yaml")
            copy.settings.append("losses.entropy=0.2")
            try expectRefusal(
                "mvq-coordinator", copy.arguments, exitCode: 78, copy.path, "losses.entropy 0.1, not 0.2",
                "give the configuration it was started with")
            #expect(try copy.contents() == before && fileDigest("\(copy.path)/config.yaml") == configuration)
            copy.settings.removeLast()
            copy.more = ["--resume", "never"]
            try expectRefusal("mvq-coordinator", copy.arguments, exitCode: 78, copy.path, "already holds a run", "--resume auto")
            #expect(try copy.contents() == before)
        }

        // MARK: Checkpoints

        @Test func aTruncatedCheckpointIsPassedOver() throws {
            let workshop = try Workshop.here()
            let reference = try workshop.reference()
            let copy = try reference.copy(to: workshop.path("truncated"))
            try copy.truncateCheckpoint(20)
            try withFleet(of: copy) { fleet in
                let coordinator = try fleet.start()
                #expect(
                    coordinator.lines.contains {
                        $0.hasPrefix("damaged checkpoint skipped: \(copy.store.path(of: 20)): the file is damaged")
                    })
                #expect(
                    coordinator.lines.contains {
                        $0.hasPrefix("resuming from step 15 ") && $0.contains("5 journaled steps are computed again")
                    })
                try fleet.expectToFinish([try fleet.worker(threads: 2, hasData: true)])
                try copy.expectEqual(to: reference)
                #expect(copy.journalText == reference.journalText, "every step was journaled before")
            }
        }

        @Test func withNoCheckpointLeftNothingIsTouched() throws {
            let workshop = try Workshop.here()
            let copy = try workshop.reference().copy(to: workshop.path("all-truncated"))
            for step in [10, 15, 20] { try copy.truncateCheckpoint(step) }
            let before = try copy.contents()
            try expectRefusal(
                "mvq-coordinator", copy.arguments, exitCode: 66, copy.store.directory, "none of its 3 checkpoints can be loaded",
                copy.store.path(of: 20),
                "restore one from a copy, or start a new run")
            #expect(try copy.contents() == before)
            for command in ["inspect", "reconstruct"] {
                let arguments =
                    command == "inspect" ? [copy.store.path(of: 15)] : ["--checkpoint", copy.store.path(of: 15), "--data", copy.data]
                try expectRefusal("mvq", [command] + arguments, exitCode: 66, copy.store.path(of: 15), "use another checkpoint")
            }
        }

        // MARK: Fleet

        @Test func aPortInUseIsNamed() throws {
            var run = try coordinator
            let listener = try #require(Listener())
            run.listen = "tcp://127.0.0.1:\(listener.port)"
            try expectRefusal(
                "mvq-coordinator", run.arguments, exitCode: 69, "\(run.listen) is in use", "choose another port with --listen")
            run.listen = "127.0.0.1"
            try expectRefusal("mvq-coordinator", run.arguments, exitCode: 64, "127.0.0.1 is no address", "tcp://host:port")
            withExtendedLifetime(listener) {}
        }

        @Test func aWorkerOfAnotherVersionIsRefused() throws {
            let workshop = try Workshop.here()
            var configuration = CoordinatorConfiguration(
                runID: RunID(high: 1, low: 2), generation: 1, buildVersion: "99.0.0", numericClass: NumericEnvironment.numericClass,
                configuration: "",
                datasetFingerprint: "", sampleCount: 1, weightsBytes: 4, gradientBytes: 4)
            configuration.minimumWorkers = 1
            let loop = try CoordinatorLoop(
                configuration: configuration, plan: StepPlan(step: 0, epoch: 0, slots: 1, samplesDigest: ""), listen: "tcp://127.0.0.1:*",
                bulkListen: "tcp://127.0.0.1:*", delegate: NoTraining())
            let thread = Thread { _ = loop.run() }
            thread.start()
            defer {
                loop.requestStop(exitCode: 0, text: "")
                while !thread.isFinished { usleep(1000) }
            }
            let (exitCode, worker) = try workshop.command("mvq-worker", ["--connect", loop.endpoint, "--orphan-seconds", "60"])
            #expect(exitCode == 78, "\(worker.standardError)")
            expectOneComplaint(worker, ["build \(BuildVersion.current)", "the coordinator 99.0.0", "install the same build on both"])
        }

        @Test func aSecondCoordinatorIsRefused() throws {
            let run = try coordinator
            try withFleet(of: run) { fleet in
                let first = try fleet.start()
                try first.eventually("the first checkpoint") { first.lines.contains { $0.hasPrefix("checkpoint ") } }
                func files() throws -> [String: String] {
                    let names = try #require(FileManager.default.enumerator(atPath: run.path)?.allObjects as? [String])
                    var digests: [String: String] = [:]
                    for name in names { digests[name] = (try? fileDigest("\(run.path)/\(name)")) ?? "folder" }
                    return digests
                }
                let before = try files()
                #expect(before.count > 6)
                try expectRefusal(
                    "mvq-coordinator", run.arguments, exitCode: 73, "\(run.path): in use by pid \(first.processID) ",
                    "give another --run folder")
                #expect(try files() == before, "nothing was written")
                #expect(first.isRunning)
                first.signal(SIGTERM)
                #expect(try first.exitCode() == 75)
            }
        }

        @Test func noWorkerAndNoCoordinatorInTime() throws {
            var run = try coordinator
            run.more = ["--gather-seconds", "1"]
            let complaint = try expectRefusal(
                "mvq-coordinator", run.arguments, exitCode: 69, "0 of 1 workers were ready within 1 s", "start workers with --connect")
            #expect(complaint.hasPrefix("mvq-coordinator: tcp://127.0.0.1:"), "the address to connect to: \(complaint)")
            let listener = try #require(Listener())
            let address = "tcp://127.0.0.1:\(listener.port)"
            let (exitCode, worker) = try Workshop.here().command("mvq-worker", ["--connect", address, "--orphan-seconds", "1"])
            #expect(exitCode == 69, "\(worker.standardError)")
            expectOneComplaint(worker, ["no coordinator at \(address) for 1 s", "check that it runs"])
        }
    }
}

/// A coordinator's delegate for a fleet that never gets as far as training.
private final class NoTraining: CoordinatorDelegate, Sendable {
    struct Unexpected: Error {}

    func weights() -> BulkPayload { BulkPayload(copying: [0, 0, 0, 0]) }
    func sample(_ id: Int) throws -> [UInt8] { throw Unexpected() }
    func merge(step: Int, block: SlotBlock, gradient: BulkBuffer) throws { throw Unexpected() }
    func finishStep(_ step: Int, blocks: [LeaseTable.Finished]) throws -> StepPlan? { throw Unexpected() }
    func report(_ event: FleetEvent) {}
}

/// 2 × 2 pixels, Adobe CMYK, written by Pillow.
private let cmykJPEG = """
    /9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAbEhQXFBEbFxYXHhwbIChCKyglJShROj0wQmBVZWRfVV1baniZgWpxkHNbXYW1hpCeo6utq2eAvMm6pseZ\
    qKuk/8AAFAgAAgACBEMRAE0RAFkRAEsRAP/EAB8AAAEFAQEBAQEBAAAAAAAAAAABAgMEBQYHCAkKC//EALUQAAIBAwMCBAMFBQQEAAABfQECAwAE\
    EQUSITFBBhNRYQcicRQygZGhCCNCscEVUtHwJDNicoIJChYXGBkaJSYnKCkqNDU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6\
    g4SFhoeIiYqSk5SVlpeYmZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2drh4uPk5ebn6Onq8fLz9PX29/j5+v/aAA4EQwBNAFkA\
    SwAAPwDo66Ct2tqv/9k=
    """

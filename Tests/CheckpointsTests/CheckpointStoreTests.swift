import Checkpoints
import Foundation
import Testing

/// A small checkpoint with every kind of array; `salt` makes contents of different steps differ.
func sampleCheckpoint(step: Int, salt: Float = 0) -> Checkpoint {
    Checkpoint(
        step: step,
        attributes: ["seed": 42, "epoch": 0.25, "config": "model:\n  name: größe\n", "nan": .double(.nan), "empty": ""],
        arrays: [
            CheckpointArray(path: "/model/encoder.conv_in.weight", shape: [3, 4], values: awkwardNumbers),
            CheckpointArray(path: "/model/encoder.conv_in.bias", shape: [3], values: [1 + salt, Float(step), 3]),
            CheckpointArray(path: "/model/decoder.scale", shape: [], values: [-0.0]),
            CheckpointArray(path: "/ema/encoder.conv_in.weight", shape: [2, 3, 2], values: awkwardNumbers.reversed()),
            CheckpointArray(path: "/ema/nothing", shape: [0, 5], values: []),
            CheckpointArray(
                path: "/optimizer/generator/first_moment/encoder.conv_in.bias", shape: [300],
                values: (0..<300).map { Float($0) * 0.01 }),
        ])
}

/// Whether two checkpoints are equal to the last bit, NaNs included.
func identical(_ a: Checkpoint, _ b: Checkpoint) -> Bool {
    func sorted(_ checkpoint: Checkpoint) -> [CheckpointArray] { checkpoint.arrays.sorted { $0.path < $1.path } }
    func attributes(_ checkpoint: Checkpoint) -> [String] {
        checkpoint.attributes.map { name, value in
            if case .double(let number) = value { "\(name) \(number.bitPattern)" } else { "\(name) \(value)" }
        }.sorted()
    }
    return a.step == b.step && attributes(a) == attributes(b) && a.arrays.count == b.arrays.count
        && zip(sorted(a), sorted(b)).allSatisfy { $0.path == $1.path && $0.shape == $1.shape && bits($0.values) == bits($1.values) }
}

struct CheckpointStoreTests {
    let folder = TemporaryFolder()

    @Test func loadsWhatWasPublished() throws {
        let store = CheckpointStore(directory: folder.file("run/checkpoints"))
        try store.prepare()
        #expect(try store.newestValid().loaded == nil)
        let published = try store.publish(sampleCheckpoint(step: 1200))
        #expect(published.file.hasSuffix("/step-00001200.h5"))
        for loaded in [
            try store.load(step: 1200), try CheckpointStore.load(path: published.file),
            try CheckpointStore.load(path: folder.file("run/checkpoints/latest")),
            try #require(try store.newestValid().loaded),
        ] {
            #expect(identical(loaded.checkpoint, sampleCheckpoint(step: 1200)))
            #expect(loaded.manifest == .verified)
            #expect(loaded.manifest.warning(for: loaded.file) == nil)
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: store.directory).sorted()
        #expect(names == ["latest", "step-00001200.h5", "step-00001200.json"])
    }

    /// Resumed runs can be compared by file: no times, no addresses, no order of insertion in it.
    @Test func equalContentGivesEqualBytes() throws {
        let first = CheckpointStore(directory: folder.file("first"))
        let second = CheckpointStore(directory: folder.file("second"))
        let checkpoint = sampleCheckpoint(step: 5)
        let reversed = Checkpoint(step: 5, attributes: checkpoint.attributes, arrays: checkpoint.arrays.reversed())
        #expect(try first.publish(checkpoint).sha256 == second.publish(reversed).sha256)
        #expect(try first.publish(sampleCheckpoint(step: 6)).sha256 != second.publish(sampleCheckpoint(step: 6, salt: 1)).sha256)
    }

    @Test func manifestsFormAChain() throws {
        let store = CheckpointStore(directory: folder.path)
        struct Manifest: Decodable { let previous: String?, bytes: Int, sha256: String }
        func manifest(_ step: Int) throws -> (Manifest, String) {
            let path = String(store.path(of: step).dropLast(3)) + ".json"
            let sum = try runChild("/usr/bin/sha256sum", [path]).output.prefix(64)
            return (try JSONDecoder().decode(Manifest.self, from: Data(contentsOf: URL(fileURLWithPath: path))), String(sum))
        }
        try store.publish(sampleCheckpoint(step: 1))
        try store.publish(sampleCheckpoint(step: 2))
        let (first, firstDigest) = try manifest(1)
        let (second, _) = try manifest(2)
        #expect(first.previous == nil && second.previous == firstDigest)
        let file = try runChild("/usr/bin/sha256sum", [store.path(of: 2)]).output.prefix(64)
        #expect(second.sha256 == file)
    }

    @Test func keepsTheLastAndEveryMth() throws {
        let store = CheckpointStore(directory: folder.path, keepLast: 2, keepEvery: 30)
        var removed: [Int] = []
        for step in stride(from: 10, through: 100, by: 10) {
            removed += try store.publish(sampleCheckpoint(step: step)).removed
            #expect(try store.newestValid().loaded?.checkpoint.step == step)
        }
        #expect(try store.steps() == [30, 60, 90, 100])
        #expect(removed == [10, 20, 40, 50, 70, 80])
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(names.filter { $0.hasSuffix(".json") }.count == 4)
    }

    @Test func theBestAndWhatIsWantedStay() throws {
        let store = CheckpointStore(directory: folder.path, keepLast: 1, keeps: { $0 == 2 })
        for step in 1...3 {
            try store.publish(sampleCheckpoint(step: step))
            if step == 1 { try store.link("best", to: 1) }
        }
        #expect(try store.steps() == [1, 2, 3] && store.best == 1)
        try store.link("best", to: 3)
        try store.publish(sampleCheckpoint(step: 4))
        #expect(try store.steps() == [2, 3, 4] && store.best == 3, "the best before is like any other")
        try CheckpointStore(directory: folder.path, keepLast: 1).removeOld()
        #expect(try store.steps() == [3, 4])
        #expect(store.holds(folder.path + "/best") && store.holds(store.path(of: 4)) && !store.holds("/elsewhere/step-00000004.h5"))
    }

    /// After falling back to step 10 behind damaged files, retention must not count those files as the newest.
    @Test func damagedFutureDoesNotPushOutTheValidPast() throws {
        let store = CheckpointStore(directory: folder.path, keepLast: 2)
        try store.publish(sampleCheckpoint(step: 10))
        for step in [50, 60] { try Data("damaged".utf8).write(to: URL(fileURLWithPath: store.path(of: step))) }
        try store.publish(sampleCheckpoint(step: 20))
        #expect(try store.steps() == [10, 20, 50, 60])
        let newest = try store.newestValid()
        #expect(newest.loaded?.checkpoint.step == 20)
        #expect(newest.skipped.map(\.file) == [store.path(of: 60), store.path(of: 50)])
    }

    @Test func prepareRemovesLeftoversOnly() throws {
        let store = CheckpointStore(directory: folder.path)
        try store.publish(sampleCheckpoint(step: 1))
        for name in [".step-00000002.h5.tmp", ".step-00000002.json.tmp", "step-00000003.json", "notes.txt"] {
            try Data("x".utf8).write(to: URL(fileURLWithPath: folder.file(name)))
        }
        try store.prepare()
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        #expect(names == ["latest", "notes.txt", "step-00000001.h5", "step-00000001.json"])
    }

    @Test func aCopyWithoutManifestLoadsWithAWarning() throws {
        let store = CheckpointStore(directory: folder.file("run"))
        try store.publish(sampleCheckpoint(step: 7))
        let copy = folder.file("copied away.h5")
        try FileManager.default.copyItem(atPath: store.path(of: 7), toPath: copy)
        let loaded = try CheckpointStore.load(path: copy)
        #expect(loaded.manifest == .absent && identical(loaded.checkpoint, sampleCheckpoint(step: 7)))
        #expect(loaded.manifest.warning(for: copy)?.contains("manifest: absent") == true)
        // In a run's folder it is not normal that a manifest is missing.
        try FileManager.default.removeItem(atPath: folder.file("run/step-00000007.json"))
        #expect(throws: CheckpointError.missingManifest(file: store.path(of: 7))) { try store.load(step: 7) }
    }

    @Test func allDamagedMeansExitCode66() throws {
        let store = CheckpointStore(directory: folder.path)
        for step in [1, 2] { try Data().write(to: URL(fileURLWithPath: store.path(of: step))) }
        do {
            _ = try store.newestValid()
            Issue.record("nothing thrown")
        } catch let error as CheckpointError {
            #expect(error.exitCode == 66)
            #expect(!error.description.contains("\n") && error.description.contains(folder.path))
        }
    }

    /// What a kill at the start of each stage leaves on the disk is what the folder holds at that instant.
    @Test func aKillAtAnyStageLeavesALoadableFolder() throws {
        let snapshots = TemporaryFolder()
        let run = folder.file("run")
        try CheckpointStore(directory: run).publish(sampleCheckpoint(step: 1))
        try CheckpointStore(directory: run, beforeStage: { stage in
            try FileManager.default.copyItem(atPath: run, toPath: snapshots.file("\(stage)"))
        }).publish(sampleCheckpoint(step: 2))
        for stage in PublishStage.allCases {
            let store = CheckpointStore(directory: snapshots.file("\(stage)"))
            let before = try #require(try store.newestValid().loaded, "\(stage)")
            let complete = [.synchroniseFolder, .latest, .retention].contains(stage)
            #expect(identical(before.checkpoint, sampleCheckpoint(step: complete ? 2 : 1)), "\(stage)")
            #expect(try store.newestValid().skipped.isEmpty)
            #expect(identical(try CheckpointStore.load(path: store.directory + "/latest").checkpoint,
                sampleCheckpoint(step: stage == .retention ? 2 : 1)))
            // The restarted run cleans up and publishes the step again.
            try store.prepare()
            try store.publish(sampleCheckpoint(step: 2))
            #expect(try store.newestValid().loaded?.checkpoint.step == 2)
            let names = try FileManager.default.contentsOfDirectory(atPath: store.directory)
            #expect(names.count == 5, "\(names)")
        }
    }

    struct DiskTrouble: Error {}

    @Test(arguments: PublishStage.allCases)
    func aFailureAtAnyStageLeavesTheOldCheckpointAndNoTemporaryFile(failing: PublishStage) throws {
        let store = CheckpointStore(directory: folder.path, keepLast: 1)
        try store.publish(sampleCheckpoint(step: 1))
        let failingStore = CheckpointStore(directory: folder.path, keepLast: 1) { if $0 == failing { throw DiskTrouble() } }
        do {
            try failingStore.publish(sampleCheckpoint(step: 2))
            Issue.record("nothing thrown")
        } catch CheckpointError.notPublished(let file, let stage, _) {
            #expect(file == store.path(of: 2) && stage == failing)
        }
        #expect(try store.newestValid().loaded != nil)
        #expect(identical(try store.load(step: 1).checkpoint, sampleCheckpoint(step: 1)))
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(!names.contains { $0.hasSuffix(".tmp") }, "\(names)")
    }

    static let script = """
        import h5py, sys
        with h5py.File(sys.argv[1]) as f:
            print(f["state"].attrs["step"], f["state"].attrs["config"].decode().split()[-1], f["state"].attrs["epoch"])
            print(f["model/encoder.conv_in.bias"][:].tolist(), f["model/decoder.scale"][()], f["ema/nothing"].shape)
            print(f["model/encoder.conv_in.weight"][:].view("u4").ravel().tolist())
        """

    @Test(.enabled(if: Machine.hasH5py, "python3 with h5py is not installed"))
    func plainH5pyReadsIt() throws {
        let store = CheckpointStore(directory: folder.path)
        let file = try store.publish(sampleCheckpoint(step: 9)).file
        let result = try Machine.runPython(Self.script, [file])
        #expect(
            result.output == """
                9 größe 0.25
                [1.0, 9.0, 3.0] -0.0 (0, 5)
                \(bits(awkwardNumbers))

                """)
    }
}

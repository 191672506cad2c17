import Checkpoints
import Foundation
import Testing

/// Small disks in memory.
enum SmallDisk {
    struct NotMounted: Error {}

    /// Whether this user may mount one.
    static let isPossible = (try? with(megabytes: 1) { _ in }) != nil

    /// Mounts a disk, passes its folder on, and unmounts it whatever happened.
    static func with(megabytes: Int, _ body: (String) throws -> Void) throws {
        let folder = TemporaryFolder()
        let options = ["-t", "tmpfs", "-o", "size=\(megabytes)m", "tmpfs", folder.path]
        guard try runChild("/usr/bin/mount", options).status == 0 else { throw NotMounted() }
        defer { _ = try? runChild("/usr/bin/umount", ["-l", folder.path]) }
        try body(folder.path)
    }
}

@Suite(.enabled(if: SmallDisk.isPossible, "mounting a small tmpfs needs root"))
struct DiskTroubleTests {
    static func big(step: Int, megabytes: Int) -> Checkpoint {
        let values = (0..<(megabytes << 18)).map { Float($0 % 1000) + Float(step) }
        return Checkpoint(
            step: step, attributes: ["seed": 1],
            arrays: [
                CheckpointArray(path: "/model/a", shape: [values.count / 4, 4], values: values),
                CheckpointArray(path: "/model/b", shape: [3], values: [1, 2, 3]),
            ])
    }

    func expectOldIntact(_ store: CheckpointStore) throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: store.directory).sorted()
        #expect(names.filter { $0 != "ballast" } == ["latest", "step-00000001.h5", "step-00000001.json"])
        let loaded = try #require(try store.newestValid().loaded)
        #expect(identical(loaded.checkpoint, Self.big(step: 1, megabytes: 2)))
    }

    @Test func tooLittleSpaceIsNoticedBeforeWriting() throws {
        try SmallDisk.with(megabytes: 8) { disk in
            let store = CheckpointStore(directory: disk)
            try store.publish(Self.big(step: 1, megabytes: 2))
            do {
                try store.publish(Self.big(step: 2, megabytes: 5))
                Issue.record("nothing thrown")
            } catch let error as CheckpointError {
                guard case .noSpace(let folder, let needed, let free) = error else { throw error }
                #expect(folder == disk && needed > free && error.exitCode == 74)
            }
            try expectOldIntact(store)
        }
    }

    /// The disk fills up while HDF5 writes, at different distances from the end.
    @Test(arguments: [0, 1, 64, 1024, 2048, 4000])
    func aDiskThatFillsUpMeanwhileIsNoticed(freeKilobytes: Int) throws {
        try SmallDisk.with(megabytes: 16) { disk in
            try CheckpointStore(directory: disk).publish(Self.big(step: 1, megabytes: 2))
            let ballast = disk + "/ballast"
            let store = CheckpointStore(directory: disk) { stage in
                guard stage == .write else { return }
                _ = try runChild("/usr/bin/dd", ["if=/dev/zero", "of=\(ballast)", "bs=4k"])
                let size = (try FileManager.default.attributesOfItem(atPath: ballast)[.size] as? Int) ?? 0
                truncate(ballast, size - freeKilobytes * 1024)
            }
            do {
                try store.publish(Self.big(step: 2, megabytes: 4))
                Issue.record("nothing thrown")
            } catch let error as CheckpointError {
                guard case .notPublished = error else { throw error }
                #expect(error.exitCode == 74 && !error.description.contains("\n"), "\(error)")
            }
            try expectOldIntact(store)
            let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").filter {
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)"))?.hasPrefix(disk) == true
            }
            #expect(open.isEmpty, "files left open: \(open)")
            // With space again, publishing works in the same process.
            try FileManager.default.removeItem(atPath: ballast)
            let calm = CheckpointStore(directory: disk)
            try calm.publish(Self.big(step: 2, megabytes: 4))
            #expect(try calm.newestValid().loaded?.checkpoint.step == 2)
        }
    }

    @Test func aReadOnlyDiskIsReportedAndStillReadable() throws {
        try SmallDisk.with(megabytes: 8) { disk in
            let store = CheckpointStore(directory: disk)
            try store.publish(Self.big(step: 1, megabytes: 2))
            try #require(try runChild("/usr/bin/mount", ["-o", "remount,ro", disk]).status == 0)
            do {
                try store.publish(Self.big(step: 2, megabytes: 1))
                Issue.record("nothing thrown")
            } catch let error as CheckpointError {
                #expect(error.description.contains("step-00000002.h5"), "\(error)")
            }
            try expectOldIntact(store)
            #expect(throws: FileError.self) { try RunDirectory(disk + "/run") }
            #expect(throws: FileError.self) { try AppendOnlyFile(path: disk + "/journal.jsonl") }
        }
    }

    @Test func aLineThatDoesNotFitIsTakenBack() throws {
        try SmallDisk.with(megabytes: 1) { disk in
            let file = try AppendOnlyFile(path: disk + "/journal.jsonl")
            try file.append("first")
            #expect(throws: FileError.self) { try file.append(String(repeating: "x", count: 2 << 20)) }
            try file.append("second")
            #expect(try file.lines() == ["first", "second"])
        }
    }
}

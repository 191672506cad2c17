import Checkpoints
import Foundation
import Testing

extension SystemTool {
    /// Runs a program to its end and returns its exit code.
    static func status(_ path: String, _ arguments: [String]) throws -> Int32 { try run(path, arguments).exitCode }

    /// Whether this user may mount a disk in memory.
    static let canMount: Bool = {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("mvq-mount-\(UUID().uuidString)").path
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        guard (try? status("/usr/bin/mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder])) == 0 else { return false }
        return (try? status("/usr/bin/umount", [folder])) == 0
    }()
}

extension ProcessTests {
    /// Disks that are full or fail, under a whole run.
    @Suite struct DiskFaultTests {
        static let strace = "/usr/bin/strace"
        /// Whether system calls can be made to fail here.
        static let canTrace = FileManager.default.isExecutableFile(atPath: strace)
            && (try? SystemTool.status(strace, ["-o", "/dev/null", "-e", "trace=fsync", "/bin/true"])) == 0
        static let canMount = SystemTool.canMount

        /// Lets `fsync` of a file fail, as a disk does that lost what it was given. The tracer stands aside: the process is the coordinator itself.
        static func failingSync(of file: String, when: String = "1+") -> [String] {
            [
                strace, "-D", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-P", file, "-e", "trace=fsync", "-e",
                "inject=fsync:error=EIO:when=\(when)",
            ]
        }

        /// A checkpoint whose bytes may not have reached the disk is never published; training goes on, and says so.
        @Test(.enabled(if: canTrace, "strace is not installed or may not trace"))
        func aCheckpointThatTheDiskLostIsNotPublished() throws {
            let workshop = try Workshop.here()
            let reference = try workshop.smallReference()
            try workshop.withRun({ $0.settings = Run.smallModel + ["checkpoints.every_steps=10"] }) { fleet in
                let lost = fleet.run.store.path(of: 10)
                let temporary = "\(fleet.run.store.directory)/.step-00000010.h5.tmp"
                let coordinator = try fleet.start(tracer: Self.failingSync(of: temporary))
                try fleet.expectToFinish([try fleet.worker(hasData: true)])
                #expect(try fleet.run.store.steps() == [0, 20])
                #expect(
                    coordinator.lines.contains { $0.hasPrefix("ALARM: checkpoint of step 10 not written") && $0.contains("\(lost): not published, stage synchronise failed: ") },
                    "\(coordinator.standardError)")
                try fleet.run.expectEqual(to: reference)
            }
        }

        /// The journal is what makes a step committed: without it the run ends before the next step, and goes on when the disk is well.
        @Test(.enabled(if: canTrace, "strace is not installed or may not trace"))
        func aStepThatCannotBeJournaledEndsTheRun() throws {
            let workshop = try Workshop.here()
            let reference = try workshop.smallReference()
            try workshop.withRun({ $0.settings = Run.smallModel }) { fleet in
                try FileManager.default.createDirectory(atPath: fleet.run.path, withIntermediateDirectories: true)
                let coordinator = try fleet.start(tracer: Self.failingSync(of: "\(fleet.run.path)/journal.jsonl", when: "7"))
                let worker = try fleet.worker(hasData: true)
                #expect(try coordinator.exitCode() == 74 && worker.exitCode() == 74, "\(coordinator.standardError)")
                #expect(
                    coordinator.complaints == ["mvq-coordinator: \(fleet.run.path)/journal.jsonl: cannot write: Input/output error; check the disk"],
                    "\(coordinator.complaints)")
                #expect(fleet.run.committed == 6)
                #expect(try fleet.run.store.newestValid().loaded?.checkpoint.step ?? 99 <= 6)
                try fleet.start()
                try fleet.expectToFinish([try fleet.worker(hasData: true)])
                try fleet.run.expectEqual(to: reference)
            }
        }

        /// A small disk that something else fills up: first only checkpoints do not fit any more, then the journal does not.
        @Test(.enabled(if: canMount, "mounting a small tmpfs needs root"))
        func aFullDisk() throws {
            let workshop = try Workshop.here()
            let reference = try workshop.smallReference()
            try workshop.withRun({ $0.settings = Run.smallModel }) { fleet in
                let run = fleet.run
                try FileManager.default.createDirectory(atPath: run.path, withIntermediateDirectories: true)
                try #require(try SystemTool.status("/usr/bin/mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", run.path]) == 0)
                defer { _ = try? SystemTool.status("/usr/bin/umount", ["-l", run.path]) }
                let ballast = "\(run.path)/ballast"
                func fill(leaving bytes: Int) throws {
                    _ = try SystemTool.status("/usr/bin/dd", ["if=/dev/zero", "of=\(ballast)", "bs=4k", "status=none"])
                    let size = try #require(try FileManager.default.attributesOfItem(atPath: ballast)[.size] as? Int)
                    truncate(ballast, max(0, size - bytes))
                }
                let first = try fleet.start()
                try first.eventually("the first checkpoint") { try run.store.steps() == [0] && run.store.latest != nil }
                try fill(leaving: 256 << 10)
                let workers = try [fleet.worker(hasData: true)]
                // Training goes on to its end, which is no good one.
                #expect(try first.exitCode() == 74 && run.committed == Run.steps, "\(first.standardError)")
                #expect(workers.allSatisfy { (try? $0.exitCode()) == 0 })
                #expect(first.lines.contains { $0.hasPrefix("ALARM: checkpoint of step ") && $0.contains("a checkpoint needs ") })
                #expect(first.complaints.count == 1 && first.complaints[0].contains("free some space"), "\(first.complaints)")
                #expect(try run.store.newestValid().loaded?.checkpoint.step == 0)
                let metrics = try String(contentsOfFile: "\(run.path)/metrics.jsonl", encoding: .utf8).split(separator: "\n")
                #expect(metrics.last?.contains("\"checkpoint_failures\":0") == false, "\(metrics.last ?? "")")

                // Too little even for the journal.
                try FileManager.default.removeItem(atPath: ballast)
                let journal = try run.journal()
                try Run.writeJournal(Array(journal.prefix(3)), to: "\(run.path)/journal.jsonl")
                let second = try fleet.start()
                // It begins with a checkpoint, whose temporary file would leave room behind.
                try second.eventually("the first checkpoint again") { second.lines.contains { $0.hasPrefix("checkpoint \(run.store.directory)/") } }
                try fill(leaving: 0)
                let worker = try fleet.worker(hasData: true)
                #expect(try second.exitCode() == 74, "\(second.standardError)")
                worker.kill()
                #expect(second.complaints.first?.contains("No space left on device; free some space there") == true, "\(second.complaints)")
                #expect(run.committed < Run.steps)

                try FileManager.default.removeItem(atPath: ballast)
                try fleet.start()
                try fleet.expectToFinish([try fleet.worker(hasData: true)])
                try run.expectEqual(to: reference)
            }
        }
    }
}

import Fleet
import Foundation

/// Disks that are full, read-only, or fail.
enum DiskRows {
    /// Runs `body` on a new run in a small file system of its own.
    private static func withSmallDisk(_ drill: Drill, _ name: String, _ body: @escaping (DrillFleet, String) throws -> Void) throws {
        let disk = drill.site.path("disk")
        try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
        if let reason = Machine.run("mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", disk) { throw ChaosFailure(reason) }
        defer {
            Machine.run("umount", "-l", disk)
            rmdir(disk)
        }
        let run = try drill.site.run("on-small-disk", at: "\(disk)/run")
        try drill.run(name, on: run) { try body($0, disk) }
    }

    /// Fills a disk but for so many bytes.
    private static func fill(_ disk: String, leaving rest: Int) throws {
        var status = statvfs()
        guard statvfs(disk, &status) == 0 else { throw ChaosFailure("\(disk): \(String(cString: strerror(errno)))") }
        let free = Int(status.f_bavail) * Int(status.f_frsize)
        try Data(count: max(0, free - rest)).write(to: URL(fileURLWithPath: "\(disk)/filler"))
    }

    private static func empty(_ disk: String) throws { try FileManager.default.removeItem(atPath: "\(disk)/filler") }

    /// Starts a coordinator and waits until its first checkpoint is there.
    private static func startAndPublish(_ fleet: DrillFleet, environment: [String: String?] = [:]) throws -> ChildProcess {
        let coordinator = try fleet.start(environment: environment)
        try coordinator.waitToSay("checkpoint ", "step-00000000.h5")
        return coordinator
    }

    static let full = FaultRow(
        25, "Disk full", injection: "a small file system filled up before a checkpoint, and before a journal line",
        expected: "checkpoint: training goes on, the run ends with 74 unless its last one is written; journal: 74 before the step is committed; with space again the run goes on",
        obstacle: { _ in Machine.cannotMount }
    ) { drill in
        try withSmallDisk(drill, "no space for checkpoints") { fleet, disk in
            let coordinator = try startAndPublish(fleet)
            try fill(disk, leaving: 300_000)
            let worker = try fleet.worker(hasData: true)
            try coordinator.expectExit(ExitCode.disk)
            try worker.expectExit(ExitCode.done, ExitCode.disk)
            try drill.require(fleet.run.committed == fleet.run.steps, "training did not go on: \(fleet.run.committed) steps\n  \(coordinator.tail)")
            try drill.require(coordinator.says("not written", "free"), coordinator.tail)
            try drill.require(try fleet.run.store.steps() == [0], "checkpoints of steps \(try fleet.run.store.steps()) on a full disk")
            try empty(disk)
            try fleet.start()
            try fleet.finish([try fleet.worker(hasData: true)])
        }
        try withSmallDisk(drill, "no space for the journal") { fleet, disk in
            let coordinator = try startAndPublish(fleet)
            // Some lines of metrics and journal.
            try fill(disk, leaving: 12 << 10)
            let worker = try fleet.worker(hasData: true)
            try coordinator.expectExit(ExitCode.disk)
            try worker.expectExit(ExitCode.disk)
            try drill.require(coordinator.says("cannot", "No space left on device"), coordinator.tail)
            let committed = fleet.run.committed
            try drill.require(committed < fleet.run.steps, "everything fitted: \(committed) steps")
            try empty(disk)
            try fleet.start()
            try fleet.finish([try fleet.worker(hasData: true)])
            drill.note("the journal was full after \(committed) steps")
        }
    }

    static let failing = FaultRow(
        26, "Failing or read-only disk", injection: "EIO from fsync (LD_PRELOAD shim) of journal and checkpoint; remounted read-only between two starts",
        expected: "journal: 74, the step is not committed; checkpoint: not published, training goes on; afterwards the run goes on"
    ) { drill in
        if let reason = Machine.cannotCompile {
            drill.omit("EIO from fsync", because: reason)
        } else {
            let shim = try SystemCallShim(in: drill.site.path("shim"))
            let line = drill.integer(2...20)
            try drill.run("EIO at fsync \(line) of the journal") { fleet in
                let coordinator = try fleet.start(environment: shim.failingSync(of: "journal.jsonl", number: line))
                let worker = try fleet.worker(hasData: true)
                try coordinator.expectExit(ExitCode.disk)
                try drill.require(coordinator.says("journal.jsonl: cannot write: Input/output error"), coordinator.tail)
                try drill.require(fleet.run.committed == line - 1, "\(fleet.run.committed) steps are committed, the disk took \(line - 1)")
                try worker.expectExit(ExitCode.disk)
                try fleet.start()
                try fleet.finish([try fleet.worker(hasData: true)])
            }
            try drill.run("EIO at fsync of a checkpoint") { fleet in
                let coordinator = try fleet.start(environment: shim.failingSync(of: ".h5", number: drill.integer(2...4)))
                let worker = try fleet.worker(hasData: true)
                try fleet.finish([worker])
                try drill.require(coordinator.says("not written", "Input/output error"), coordinator.tail)
            }
        }
        if let reason = Machine.cannotMount { return drill.omit("read-only", because: reason) }
        try withSmallDisk(drill, "remounted read-only") { fleet, disk in
            let coordinator = try startAndPublish(fleet)
            let worker = try fleet.worker(hasData: true)
            try fleet.waitForSteps(drill.integer(2...8))
            // The kernel refuses to do that under a process that writes.
            coordinator.kill()
            worker.kill()
            if let reason = Machine.run("mount", "-o", "remount,ro", disk) { throw ChaosFailure(reason) }
            let second = try fleet.launch()
            try second.expectExit(ExitCode.disk)
            try drill.require(second.says("Read-only file system"), second.tail)
            if let reason = Machine.run("mount", "-o", "remount,rw", disk) { throw ChaosFailure(reason) }
            try fleet.start()
            try fleet.finish([try fleet.worker(hasData: true)])
        }
    }
}

import Failpoints
import Fleet
import Foundation

/// Damaged checkpoints, and coordinators that die while they publish one.
enum CheckpointRows {
    private enum Damage: CaseIterable {
        case truncated, superblock, header, payload, tail, manifest, noManifest, danglingLatest

        var name: String {
            switch self {
            case .truncated: "truncated"
            case .superblock: "a bit of the superblock"
            case .header: "a bit of the first headers"
            case .payload: "a bit of the payload"
            case .tail: "a bit near the end"
            case .manifest: "a bit of the manifest"
            case .noManifest: "no manifest"
            case .danglingLatest: "latest leads nowhere"
            }
        }
    }

    static let damaged = FaultRow(
        27, "Damaged checkpoint", injection: "truncated; a drawn bit of each region flipped; manifest missing; latest dangling; all of them truncated",
        expected: "the file is named and the newest valid one used, or exit 66 without one; nothing damaged is ever used"
    ) { drill in
        let reference = try drill.site.reference(.small)
        let last = reference.steps
        for damage in Damage.allCases {
            let copy = try reference.copy(to: drill.site.path("damaged"))
            let file = copy.store.path(of: last)
            func flip(_ file: String, _ range: (Int) -> ClosedRange<Int>) throws {
                try copy.rewrite(file) { $0[drill.integer(range($0.count))] ^= 1 << UInt8(drill.integer(0...7)) }
            }
            switch damage {
            case .truncated: try copy.rewrite(file) { $0.removeLast(drill.integer(1...$0.count - 1)) }
            case .superblock: try flip(file) { _ in 0...47 }
            case .header: try flip(file) { _ in 48...2047 }
            case .payload: try flip(file) { $0 / 4...$0 / 4 * 3 }
            case .tail: try flip(file) { $0 - 512...$0 - 1 }
            case .manifest: try flip(copy.manifest(of: last)) { 0...$0 - 1 }
            case .noManifest: try FileManager.default.removeItem(atPath: copy.manifest(of: last))
            case .danglingLatest:
                try FileManager.default.removeItem(atPath: "\(copy.store.directory)/latest")
                try FileManager.default.createSymbolicLink(atPath: "\(copy.store.directory)/latest", withDestinationPath: "step-00000099.h5")
            }
            try drill.run(damage.name, on: copy) { fleet in
                let coordinator = try fleet.launch()
                try wait(for: "the coordinator to listen or to end", orTell: { coordinator.tail }) { copy.endpoint != nil || !coordinator.isRunning }
                // Whether the file was found damaged, or is as good as before, the comparison tells.
                try fleet.finish(coordinator.isRunning ? [try fleet.worker(hasData: true, failpoints: nil)] : [])
                if damage != .manifest, damage != .noManifest, damage != .danglingLatest {
                    try drill.require(coordinator.says("damaged checkpoint skipped", "step-000000\(last)"), coordinator.tail)
                }
            }
        }
        let copy = try reference.copy(to: drill.site.path("all-damaged"))
        for step in try copy.store.steps() { try copy.rewrite(copy.store.path(of: step)) { $0.removeLast($0.count / 2) } }
        try drill.run("all of them truncated", on: copy, isCompared: false) { fleet in
            let before = try copy.contents()
            try fleet.launch().expectExit(66)
            try drill.require(try copy.contents() == before, "journal or checkpoints were changed")
        }
    }

    static let killedPublishing = FaultRow(
        28, "Coordinator killed while it publishes a checkpoint", injection: "kill -9 at each stage of publication; the same command again",
        expected: "there is always a valid checkpoint; nothing temporary stays after the next start"
    ) { drill in
        let points = Failpoint.allCases.filter { $0.rawValue.hasPrefix("checkpoint.") }
        for point in drill.form.isShort ? points.filter({ [.checkpointDataset, .checkpointRenameFile, .checkpointLatest].contains($0) }) : points {
            // The first publication is the run's first act; there are seven on a fast disk, and fewer on one that is still busy with the one before.
            let visit = point == .checkpointDataset ? drill.integer(3...200) : drill.integer(2...3)
            try CoordinatorRows.crash(drill, point.rawValue, ["\(point.rawValue)@\(visit)=kill"], isMidRun: false)
        }
        // The workers of a run whose last checkpoint was lost are still there.
        try CoordinatorRows.crash(
            drill, "the last publication", ["checkpoint.rename-file@2=kill"], isMidRun: false, arguments: ["--set", "checkpoints.every_steps=100"])
    }
}

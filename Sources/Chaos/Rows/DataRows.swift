import Fleet
import Foundation
import ImageData
import Training

/// Images that cannot be used, and work that kills its worker.
enum DataRows {
    static let corruptImage = FaultRow(
        31, "Corrupt or missing image", injection: "a file of the first epoch overwritten, or deleted in mid-run, then put back; a worker's own copy truncated",
        expected: "the run ends with 65 and the file's name; with the file back it goes on. A worker with other data is refused (78)"
    ) { drill in
        for isDeleted in [false, true] {
            let data = drill.site.path("images")
            try FileManager.default.copyItem(atPath: drill.site.data, toPath: data)
            let folder = try ImageFolder(root: data)
            let run = try drill.site.run(isDeleted ? "deleted" : "overwritten", data: data)
            let plan = TrainingPlan(configuration: DrillSite.configuration(.small), sampleCount: folder.count)
            let step = drill.integer(3...8)
            let file = folder.path(of: plan.samples(step: step, slot: drill.integer(0...7))[0])
            let bytes = try Data(contentsOf: URL(fileURLWithPath: file))
            try drill.run(isDeleted ? "deleted in mid-run" : "overwritten", on: run) { fleet in
                let coordinator = try fleet.start()
                if isDeleted {
                    try FileManager.default.removeItem(atPath: file)
                } else {
                    try Data(repeating: 0x20, count: bytes.count).write(to: URL(fileURLWithPath: file))
                }
                let worker = try fleet.worker()
                try coordinator.expectExit(ExitCode.badData)
                try drill.require(coordinator.says(file), "\(file) is not named\n  \(coordinator.tail)")
                try worker.expectExit(ExitCode.badData)
                try drill.require(fleet.run.committed == step, "\(fleet.run.committed) steps are committed instead of \(step)")
                try bytes.write(to: URL(fileURLWithPath: file))
                try fleet.start()
                try fleet.finish([try fleet.worker()])
            }
            try? FileManager.default.removeItem(atPath: data)
        }
        try drill.run("a worker's truncated copy") { fleet in
            let data = drill.site.path("copy")
            try FileManager.default.copyItem(atPath: drill.site.data, toPath: data)
            defer { try? FileManager.default.removeItem(atPath: data) }
            let file = try ImageFolder(root: data).path(of: 0)
            try Data(contentsOf: URL(fileURLWithPath: file)).dropLast(10).write(to: URL(fileURLWithPath: file))
            try fleet.start()
            let worker = try fleet.worker(data: data)
            try worker.expectExit(ExitCode.configuration)
            try drill.require(worker.says("has fingerprint", "copy the dataset again"), worker.tail)
            try fleet.finish([try fleet.worker()])
        }
        drill.note("the policy 'substitute' does not exist: a bad image always ends the run")
    }

    static let poison = FaultRow(
        33, "Work that kills every worker", injection: "each worker dies at its first slot, after heartbeats that say it is at work",
        expected: "after two deaths over the same slot alone the run ends with 65, slot and images; healthy workers finish it"
    ) { drill in
        try drill.run("one worker after the other") { fleet in
            // Heartbeats every fifth of a second.
            fleet.arguments = ["--liveness-seconds", "2"]
            let coordinator = try fleet.start()
            var deaths = 0
            while coordinator.isRunning, deaths < 12 {
                let worker = try fleet.worker(hasData: true, failpoints: "worker.compute@1=slow:0.6,worker.gradient@1=kill")
                try fleet.waitForEnd(of: worker)
                deaths += 1
                // The next one is to get the same slots.
                try wait(for: "it to be missed", orTell: { coordinator.tail }) { coordinator.count(" lost: ") >= deaths || !coordinator.isRunning }
            }
            try coordinator.expectExit(ExitCode.badData)
            let folder = try ImageFolder(root: fleet.run.data)
            let plan = TrainingPlan(configuration: DrillSite.configuration(.small), sampleCount: folder.count)
            let isNamed = (0..<8).contains { slot in
                coordinator.says(
                    "2 workers vanished one after the other while computing slot \(slot) of step 0 alone", "the slot's images are",
                    folder.path(of: plan.samples(step: 0, slot: slot)[0]))
            }
            try drill.require(isNamed, coordinator.tail)
            drill.note("stopped after \(deaths) deaths")
            try fleet.start()
            try fleet.finish([try fleet.worker(hasData: true)])
        }
    }
}

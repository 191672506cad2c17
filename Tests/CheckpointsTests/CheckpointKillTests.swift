import Checkpoints
import Failpoints
import Foundation
import Testing

/// `kill -9` at points of publishing, with real processes that die.
struct CheckpointKillTests {
    /// Every point of a publication, and each dataset of the sample.
    static let points = (1...6).map { "checkpoint.dataset@\($0)" }
        + Failpoint.allCases.map(\.rawValue).filter { $0.hasPrefix("checkpoint.") && $0 != "checkpoint.dataset" }

    /// Names and bytes of a folder; of a link, what it names.
    func contents(_ folder: String) throws -> [String: Data] {
        var contents: [String: Data] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
            let path = folder + "/" + name
            if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path) {
                contents[name] = Data(target.utf8)
            } else {
                contents[name] = try Data(contentsOf: URL(fileURLWithPath: path))
            }
        }
        return contents
    }

    /// A third checkpoint of a folder that keeps two, or one of a step that is there already.
    @Test(arguments: points, [3, 2]) func aKillAtAnyPointLosesNothing(point: String, step: Int) async throws {
        let folder = TemporaryFolder()
        let (killed, undisturbed) = (folder.file("killed"), folder.file("undisturbed"))
        for path in [killed, undisturbed] {
            let store = CheckpointStore(directory: path, keepLast: 2)
            try store.prepare()
            for step in 1...2 { try store.publish(sampleCheckpoint(step: step)) }
        }
        try CheckpointStore(directory: undisturbed, keepLast: 2).publish(sampleCheckpoint(step: step))

        await #expect(processExitsWith: .signal(SIGKILL)) { [killed = killed as String, point = point as String, step = step as Int] in
            setenv("MVQ_FAIL", point + "=kill", 1)
            try CheckpointStore(directory: killed, keepLast: 2).publish(sampleCheckpoint(step: step))
        }

        // What the next start finds.
        let store = CheckpointStore(directory: killed, keepLast: 2)
        let newest = try store.newestValid()
        let loaded = try #require(newest.loaded)
        #expect(newest.skipped.isEmpty && loaded.manifest == .verified)
        #expect([2, step].contains(loaded.checkpoint.step) && identical(loaded.checkpoint, sampleCheckpoint(step: loaded.checkpoint.step)))
        let latest = try CheckpointStore.load(path: killed + "/latest").checkpoint
        #expect(identical(latest, sampleCheckpoint(step: latest.step)))
        try store.prepare()
        #expect(try !contents(killed).keys.contains { $0.hasPrefix(".") }, "no litter")
        try store.publish(sampleCheckpoint(step: step))
        let isEqual = try contents(killed) == contents(undisturbed)
        #expect(isEqual, "published again, the folder is as if nothing had happened")
    }
}

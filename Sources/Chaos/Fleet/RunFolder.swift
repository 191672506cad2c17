import Checkpoints
import Checksums
import Fleet
import Foundation
import Training

/// The folder of a run, seen from outside.
struct RunFolder {
    let path: String
    /// The configuration's file.
    let config: String
    let data: String
    /// Steps of the run.
    let steps: Int

    var store: CheckpointStore { CheckpointStore(directory: "\(path)/checkpoints") }

    /// The journal up to the last line end.
    var journalText: String {
        let text = (try? String(contentsOfFile: "\(path)/journal.jsonl", encoding: .utf8)) ?? ""
        return text.lastIndex(of: "\n").map { String(text[...$0]) } ?? ""
    }

    /// Committed steps so far.
    var committed: Int { journalText.utf8.count { $0 == UInt8(ascii: "\n") } }

    /// The journal's records, its chain of digests verified.
    func journal() throws -> [JournalRecord] { try Journal(reading: journalText) { SHA256.digest(of: $0) }.records }

    /// The sessions that computed something.
    func sessions() throws -> Set<SessionID> { Set(try journal().flatMap { $0.blocks.map(\.session) }) }

    /// The address that the coordinator listens on.
    var endpoint: String? {
        guard let text = try? String(contentsOfFile: "\(path)/endpoint", encoding: .utf8), text.hasSuffix("\n") else { return nil }
        return String(text.dropLast())
    }

    /// Digests of all files that must not change by themselves: journal and checkpoints.
    func contents() throws -> [String: String] {
        var digests = ["journal.jsonl": SHA256.digest(of: journalText)]
        for name in try FileManager.default.contentsOfDirectory(atPath: store.directory) {
            let file = "\(store.directory)/\(name)"
            let link = try? FileManager.default.destinationOfSymbolicLink(atPath: file)
            digests[name] = try link ?? FileSystem.read(file).withUnsafeBytes { SHA256.digest(of: $0) }
        }
        return digests
    }

    /// A copy under another path; checkpoints are shared, so they must be replaced, not written to.
    func copy(to path: String) throws -> RunFolder {
        let files = FileManager.default
        try files.createDirectory(atPath: "\(path)/checkpoints", withIntermediateDirectories: true)
        for name in try files.contentsOfDirectory(atPath: self.path) where name != "checkpoints" {
            try files.copyItem(atPath: "\(self.path)/\(name)", toPath: "\(path)/\(name)")
        }
        for name in try files.contentsOfDirectory(atPath: store.directory) {
            let (from, to) = ("\(store.directory)/\(name)", "\(path)/checkpoints/\(name)")
            if (try? files.destinationOfSymbolicLink(atPath: from)) != nil {
                try files.copyItem(atPath: from, toPath: to)
            } else {
                try files.linkItem(atPath: from, toPath: to)
            }
        }
        return RunFolder(path: path, config: config, data: data, steps: steps)
    }

    /// Removes the checkpoint of a step.
    func removeCheckpoint(_ step: Int) throws {
        for file in [store.path(of: step), manifest(of: step)] { try FileManager.default.removeItem(atPath: file) }
    }

    /// The manifest's file of a checkpoint.
    func manifest(of step: Int) -> String { (store.path(of: step) as NSString).deletingPathExtension + ".json" }

    /// Replaces one of the run's files by what `change` makes of its bytes.
    func rewrite(_ file: String, _ change: (inout [UInt8]) -> Void) throws {
        var bytes = try FileSystem.read(file)
        change(&bytes)
        // A new file: the old one may be a link to somebody else's.
        try FileManager.default.removeItem(atPath: file)
        guard FileManager.default.createFile(atPath: file, contents: Data(bytes)) else { throw ChaosFailure("\(file): cannot be written") }
    }
}

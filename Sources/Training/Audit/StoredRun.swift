import Checkpoints
import Checksums
import Fleet
import Foundation

/// The folder of a run, seen from outside: nothing is locked, created or changed, so a coordinator may be at work in it.
struct StoredRun {
    let path: String
    /// As the run was started with, digests of networks included.
    let configuration: RunConfiguration
    let store: CheckpointStore

    /// - Throws: `TrainingError.noRun`, `ConfigurationError`.
    init(_ path: String) throws {
        self.path = path
        guard FileManager.default.fileExists(atPath: path + "/config.yaml") else { throw TrainingError.noRun(path) }
        configuration = try RunConfiguration(file: path + "/config.yaml")
        store = CheckpointStore(directory: path + "/checkpoints")
    }

    /// The journal, its chain of digests verified. A torn last line, of a crash or of a coordinator at work, is left out.
    ///
    /// - Throws: `JournalError`, `FileError`; an absent file is an empty journal.
    func journal() throws -> Journal {
        try Journal(reading: String(decoding: bytes(of: "journal.jsonl") ?? [], as: UTF8.self)) { SHA256.digest(of: $0) }
    }

    /// The complete lines of one of the run's files; nil if there is no such file.
    func lines(of name: String) throws -> [String]? {
        try bytes(of: name)?.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
            .map { String(decoding: $0, as: UTF8.self) }
    }

    private func bytes(of name: String) throws -> [UInt8]? {
        let file = "\(path)/\(name)"
        return FileManager.default.fileExists(atPath: file) ? try FileSystem.read(file) : nil
    }
}

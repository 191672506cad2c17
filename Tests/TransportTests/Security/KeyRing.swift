import Foundation
import Testing
import Transport

/// A folder of keys, made as `mvq keygen` makes them and removed at the end.
final class KeyRing: Sendable {
    let folder: KeyFolder

    init(workers: [String] = []) throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("mvq-keys-\(UUID().uuidString)").path
        folder = KeyFolder(path)
        _ = try folder.makeCoordinator()
        for name in workers { _ = try folder.makeWorker(named: name) }
    }

    deinit { try? FileManager.default.removeItem(atPath: folder.path) }

    var coordinator: CoordinatorSecurity { get throws { .keys(try CoordinatorKeys(folder: folder.coordinator)) } }
    func worker(_ name: String) throws -> WorkerSecurity { .keys(try keys(name)) }
    func keys(_ name: String) throws -> WorkerKeys { try WorkerKeys(folder: folder.worker(name)) }

    /// Takes a worker's line out of the list, by replacing the file as an editor does.
    func revoke(_ name: String) throws {
        let lines = try list.split(separator: "\n", omittingEmptySubsequences: false)
        try write(lines.filter { !$0.hasSuffix(" \(name)") }.joined(separator: "\n"))
    }

    var listFile: String { folder.coordinator + "/authorized_keys" }
    var list: String { get throws { try String(contentsOfFile: listFile, encoding: .utf8) } }

    func write(_ text: String) throws {
        try text.write(toFile: listFile, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: listFile)
    }
}

/// Permissions of a file.
func permissions(_ path: String) throws -> Int {
    try #require((try FileManager.default.attributesOfItem(atPath: path))[.posixPermissions] as? Int)
}

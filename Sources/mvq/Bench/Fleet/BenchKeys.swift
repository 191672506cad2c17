import Foundation
import Transport

/// Keys for one measurement, made as `mvq keygen` makes them, in a folder that goes with this object.
final class BenchKeys {
    private let folder: KeyFolder
    let coordinator: CoordinatorSecurity

    /// - Throws: `KeyError`, `TransportError` if the messaging library cannot encrypt.
    init(workers: Int) throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("mvq-bench-\(UUID().uuidString)").path
        folder = KeyFolder(path)
        do {
            _ = try folder.makeCoordinator()
            for number in 0..<workers { _ = try folder.makeWorker(named: "\(number)") }
            coordinator = .keys(try CoordinatorKeys(folder: folder.coordinator))
        } catch {
            try? FileManager.default.removeItem(atPath: path)
            throw error
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: folder.path) }

    /// What a worker is given as `--keys`.
    func folder(ofWorker number: Int) -> String { folder.worker("\(number)") }
}

import Foundation

/// Why a run's folder cannot be used; `description` is one line: what, where, the mend.
public enum RunDirectoryError: Error, Equatable, CustomStringConvertible {
    /// Another coordinator works in this folder.
    case locked(path: String, holder: String)
    /// Another coordinator has taken the folder over since.
    case superseded(path: String, own: Int, current: Int)
    /// The generation file holds no number.
    case damagedGeneration(path: String)

    /// The exit code of a process that ends for this reason.
    public var exitCode: Int32 {
        switch self {
        case .locked, .superseded: 73
        case .damagedGeneration: 65
        }
    }

    public var description: String {
        switch self {
        case .locked(let path, let holder):
            "\(path): in use by \(holder); stop that coordinator, or give another --run folder"
        case .superseded(let path, let own, let current):
            "\(path): this coordinator is generation \(own), generation \(current) has taken over; stop one of them"
        case .damagedGeneration(let path):
            "\(path): holds no generation number; write the one that run.lock beside it names into it, as a line of its own"
        }
    }
}

/// The folder of one run, held by one coordinator at a time.
///
/// Taking it locks `run.lock` (the kernel frees the lock when the process ends, however it ends) and adds one to the number in
/// `generation`, durably, before anything else is written. The folder holds `config.yaml`, `journal.jsonl`, `metrics.jsonl`,
/// `evaluation.jsonl`, `evaluation/` and `checkpoints/`.
public final class RunDirectory: Sendable {
    public let path: String
    /// How many times the folder has been taken, this time included; 1 for a new run.
    public let generation: Int
    private let lock: Int32

    /// Creates the folder if need be and takes it. Throws `RunDirectoryError` or `FileError`.
    public init(_ path: String) throws {
        try FileSystem.createFolder(path)
        let lockPath = path + "/run.lock"
        let lock = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard lock >= 0 else { throw FileError(operation: "open", path: lockPath, code: errno) }
        do {
            guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
                guard errno == EWOULDBLOCK else { throw FileError(operation: "lock", path: lockPath, code: errno) }
                let holder = try String(decoding: FileSystem.read(lockPath), as: UTF8.self)
                    .split(separator: "\n").first.map(String.init)
                throw RunDirectoryError.locked(path: path, holder: holder ?? "another process")
            }
            generation = try Self.storedGeneration(path + "/generation") + 1
            try FileSystem.replace(path + "/generation", with: "\(generation)\n")
            let holder = "pid \(getpid()) on host \(ProcessInfo.processInfo.hostName), generation \(generation)\n"
            guard ftruncate(lock, 0) == 0, lseek(lock, 0, SEEK_SET) == 0 else {
                throw FileError(operation: "write", path: lockPath, code: errno)
            }
            try FileSystem.write(Array(holder.utf8), to: lock, lockPath)
        } catch {
            close(lock)
            throw error
        }
        self.path = path
        self.lock = lock
    }

    deinit { close(lock) }

    /// Checks that nobody has taken the folder since. A network file system may drop a lock without telling its holder;
    /// a process that was stopped for an hour learns it here. Throws `RunDirectoryError.superseded`.
    public func verifyGeneration() throws {
        let current = try Self.storedGeneration(path + "/generation")
        guard current == generation else {
            throw RunDirectoryError.superseded(path: path, own: generation, current: current)
        }
    }

    /// Folder of the run's checkpoints.
    public var checkpoints: String { path + "/checkpoints" }
    /// File of committed steps.
    public var journal: String { path + "/journal.jsonl" }
    /// File of metrics, one line a step.
    public var metrics: String { path + "/metrics.jsonl" }
    /// File of evaluations, one line for each step and number of kept tokens.
    public var evaluations: String { path + "/evaluation.jsonl" }
    /// Folder of the evaluations' pictures.
    public var pictures: String { path + "/evaluation" }
    /// The picture of a step's evaluation.
    public func picture(ofStep step: Int) -> String { pictures + "/" + FileSystem.stepName(step) + ".png" }
    /// File of the run's resolved configuration.
    public var config: String { path + "/config.yaml" }

    /// The configuration kept with the run; nil for a new run. Throws `FileError`.
    public func storedConfig() throws -> String? {
        FileSystem.exists(config) ? String(decoding: try FileSystem.read(config), as: UTF8.self) : nil
    }

    /// Keeps the configuration with the run. Throws `FileError`.
    public func storeConfig(_ text: String) throws {
        try FileSystem.replace(config, with: text)
    }

    /// The number in the generation file; 0 without the file.
    private static func storedGeneration(_ file: String) throws -> Int {
        guard FileSystem.exists(file) else { return 0 }
        let text = String(decoding: try FileSystem.read(file), as: UTF8.self)
        guard text.hasSuffix("\n"), let number = Int(text.dropLast()), number >= 0 else {
            throw RunDirectoryError.damagedGeneration(path: file)
        }
        return number
    }
}

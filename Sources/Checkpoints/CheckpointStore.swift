import Foundation

/// The steps of publishing, in order. A process may be killed before, within or after any of them.
public enum PublishStage: String, CaseIterable, Sendable {
    case freeSpace = "free space"
    case write
    case synchronise
    case verify
    case manifest
    case renameManifest = "rename manifest"
    case renameFile = "rename file"
    case synchroniseFolder = "synchronise folder"
    case latest
    case retention

    /// Whether the checkpoint already stands under its final name when this stage begins.
    var isAfterPublication: Bool { self == .synchroniseFolder || self == .latest || self == .retention }
}

/// A checkpoint that has been published.
public struct PublishedCheckpoint: Equatable, Sendable {
    public let step: Int
    /// Path of the `.h5` file.
    public let file: String
    /// Size of the file.
    public let bytes: Int
    /// SHA-256 of the file.
    public let sha256: String
    /// Steps whose files were removed because newer ones replace them.
    public let removed: [Int]
}

/// How a loaded checkpoint was checked.
public enum ManifestStatus: Equatable, Sendable {
    /// The file's SHA-256 and every dataset match the manifest beside it.
    case verified
    /// There is no manifest beside the file (it was copied away alone); only the digests inside the file were checked.
    case absent

    /// One line for people when something is less than perfect.
    public func warning(for file: String) -> String? {
        self == .verified
            ? nil : "\(file): manifest: absent; checked only by the digests inside the file, copy the .json along with it"
    }
}

/// What a checkpoint file that was read and verified says besides its arrays.
public struct VerifiedCheckpoint: Sendable {
    /// The file itself where a link was given.
    public let file: String
    public let step: Int
    /// Attributes of `/state`.
    public let attributes: [String: AttributeValue]
    /// `Checkpoint.contentSHA256`
    public let contentSHA256: String
    public let manifest: ManifestStatus
}

/// A checkpoint that has been loaded and verified.
public struct LoadedCheckpoint: Sendable {
    public let checkpoint: Checkpoint
    public let file: String
    public let manifest: ManifestStatus
}

/// A folder of checkpoints `step-00001200.h5`, each with its manifest `step-00001200.json`, and links `latest` and `best`.
///
/// Publishing survives a power cut at any instant: files get their final names only after they were written, synchronised,
/// read back and compared. One process publishes (the holder of the run's lock); any number may load meanwhile.
///
/// ```swift
/// let store = CheckpointStore(directory: "runs/first/checkpoints", keepLast: 3, keepEvery: 10_000)
/// try store.prepare()
/// try store.publish(checkpoint)
/// let newest = try store.newestValid()
/// ```
public struct CheckpointStore: Sendable {
    public let directory: String
    /// How many of the newest checkpoints stay.
    public let keepLast: Int
    /// Checkpoints whose step is a multiple of this stay for ever; nil for none.
    public let keepEvery: Int?
    /// Whether the checkpoint of a step must stay for another reason, e.g. because it waits for its evaluation.
    let keeps: @Sendable (Int) -> Bool
    /// Called before each stage; throwing stops the publication. Fencing (`RunDirectory.verifyGeneration`) goes here.
    let beforeStage: @Sendable (PublishStage) throws -> Void

    public init(
        directory: String, keepLast: Int = 3, keepEvery: Int? = nil,
        beforeStage: @escaping @Sendable (PublishStage) throws -> Void = { _ in },
        keeps: @escaping @Sendable (Int) -> Bool = { _ in false }
    ) {
        precondition(keepLast >= 1, "keep at least one checkpoint, not \(keepLast)")
        precondition(keepEvery.map { $0 > 0 } ?? true, "keep every \(keepEvery ?? 0)-th step")
        self.directory = directory
        self.keepLast = keepLast
        self.keepEvery = keepEvery
        self.keeps = keeps
        self.beforeStage = beforeStage
    }

    /// The file of a step, whether it exists or not.
    public func path(of step: Int) -> String { directory + "/" + FileSystem.stepName(step) + ".h5" }

    /// Whether a file, or what a link names, is one of this folder.
    public func holds(_ file: String) -> Bool {
        func resolved(_ path: String) -> String { URL(fileURLWithPath: path).resolvingSymlinksInPath().path }
        return FileSystem.folder(of: resolved(file)) == resolved(directory)
    }

    /// Steps that have a file, ascending. Throws `FileError`.
    public func steps() throws -> [Int] {
        try FileSystem.names(in: directory).compactMap { step(ofFile: $0) }.sorted()
    }

    /// The file that the link `latest` names; nil when there is none.
    public var latest: String? { target(of: "latest").map { directory + "/" + $0 } }

    /// The step that the link `best` names; nil when there is none. Its checkpoint stays.
    public var best: Int? { target(of: "best").flatMap(step(ofFile:)) }

    private func target(of link: String) -> String? {
        try? FileManager.default.destinationOfSymbolicLink(atPath: directory + "/" + link)
    }

    /// Creates the folder and removes what an interrupted publication left behind. Only for the process that publishes.
    public func prepare() throws {
        try FileSystem.createFolder(directory)
        let names = try FileSystem.names(in: directory)
        for name in names {
            let leftOver = name.hasPrefix(".") && name.hasSuffix(".tmp")
            let orphan = name.hasPrefix("step-") && name.hasSuffix(".json") && !names.contains(name.dropLast(5) + ".h5")
            if leftOver || orphan { try FileSystem.remove(directory + "/" + name) }
        }
    }

    /// The step in a name such as `step-00001200.h5`; nil for other names.
    func step(ofFile name: String) -> Int? {
        guard name.hasPrefix("step-"), name.hasSuffix(".h5"), let step = Int(name.dropFirst(5).dropLast(3)), step >= 0,
            FileSystem.name(of: path(of: step)) == name
        else { return nil }
        return step
    }
}

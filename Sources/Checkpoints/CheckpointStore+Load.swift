import Foundation

extension CheckpointStore {
    /// What `newestValid` found.
    public struct Newest: Sendable {
        /// The newest checkpoint that can be loaded; nil when the folder has no checkpoint at all.
        public let loaded: LoadedCheckpoint?
        /// Newer files that cannot be loaded, newest first, with the reason.
        public let skipped: [(file: String, error: any Error)]
    }

    /// Loads and verifies the checkpoint of a step; its manifest must be there. Throws `CheckpointError` or `FileError`.
    ///
    /// - Parameter keeping: tells of a path whether its array is wanted; the whole file is verified all the same.
    public func load(step: Int, keeping keep: (String) -> Bool = { _ in true }) throws -> LoadedCheckpoint {
        let file = path(of: step)
        guard FileSystem.exists(file) else { throw CheckpointError.notFound(file: file) }
        guard FileSystem.exists(CheckpointManifest.path(of: file)) else { throw CheckpointError.missingManifest(file: file) }
        return try Self.load(path: file, keeping: keep)
    }

    /// Loads and verifies one file (or link). Without a manifest beside it, only the digests inside the file are checked and
    /// the result says `.absent`: show its warning. Throws `CheckpointError` or `FileError`.
    ///
    /// - Parameter keeping: tells of a path whether its array is wanted; the whole file is verified all the same.
    public static func load(path: String, keeping keep: (String) -> Bool = { _ in true }) throws -> LoadedCheckpoint {
        var arrays: [CheckpointArray] = []
        let verified = try read(path: path) { if keep($0.path) { arrays.append($0) } }
        let checkpoint = Checkpoint(step: verified.step, attributes: verified.attributes, arrays: arrays)
        return LoadedCheckpoint(checkpoint: checkpoint, file: verified.file, manifest: verified.manifest)
    }

    /// The same for files too large to hold: passes the arrays on one at a time, sorted by path. They are known to be intact once this returns.
    public static func read(path: String, visit: (CheckpointArray) -> Void) throws -> VerifiedCheckpoint {
        let file = resolve(path)
        guard FileSystem.exists(file) else { throw CheckpointError.notFound(file: path) }
        let (state, manifest) = try verify(file, visit: visit)
        return VerifiedCheckpoint(
            file: file, step: state.step, attributes: state.attributes, contentSHA256: state.contentSHA256, manifest: manifest)
    }

    /// The newest checkpoint that loads, and the damaged ones that were passed over.
    /// Throws `CheckpointError.noneValid` (exit code 66) when there are checkpoints but none loads.
    public func newestValid(keeping keep: (String) -> Bool = { _ in true }) throws -> Newest {
        var skipped: [(file: String, error: any Error)] = []
        for step in try steps().reversed() {
            do {
                return Newest(loaded: try load(step: step, keeping: keep), skipped: skipped)
            } catch {
                skipped.append((path(of: step), error))
            }
        }
        guard skipped.isEmpty else {
            throw CheckpointError.noneValid(folder: directory, failures: skipped.map { "\($0.error)" })
        }
        return Newest(loaded: nil, skipped: [])
    }

    /// The file that a link names: the manifest lies beside the file, not beside the link. A plain path stays as it is.
    static func resolve(_ path: String) -> String {
        let isLink = (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) != nil
        return isLink ? URL(fileURLWithPath: path).resolvingSymlinksInPath().path : path
    }

    /// Verifies a file against its manifest (if there) and against itself, passing its arrays on one at a time.
    static func verify(
        _ file: String, visit: (CheckpointArray) -> Void
    ) throws -> (state: CheckpointFile.Content, manifest: ManifestStatus) {
        let manifestPath = CheckpointManifest.path(of: file)
        guard FileSystem.exists(manifestPath), manifestPath != file else {
            return (try CheckpointFile.read(file, expecting: nil, visit: visit), .absent)
        }
        let manifest = try CheckpointManifest.load(manifestPath)
        let size = try FileSystem.size(of: file)
        guard size == manifest.bytes else {
            throw CheckpointError.damaged(
                file: file, dataset: nil, reason: "it has \(size) bytes, \(manifest.bytes) were published")
        }
        // A file with a wrong digest is not opened, though that could name the dataset: libhdf5 does not survive every damage to its structures (1.10.8
        // frees what it never allocated while it lists a group whose heap has a flipped bit).
        guard try FileSystem.digest(of: file) == manifest.sha256 else {
            throw CheckpointError.damaged(file: file, dataset: nil, reason: "its SHA-256 is not that of the manifest; its bytes have changed since they were published")
        }
        let state = try CheckpointFile.read(file, expecting: manifest, visit: visit)
        guard state.step == manifest.step else {
            throw CheckpointError.damaged(
                file: file, dataset: nil, reason: "it is of step \(state.step), its manifest of step \(manifest.step)")
        }
        return (state, .verified)
    }
}

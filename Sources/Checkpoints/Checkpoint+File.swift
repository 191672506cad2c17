import Foundation

extension Checkpoint {
    /// Writes a checkpoint as one file outside any run, without a manifest: completely or not at all; an old file is replaced. It is read back
    /// and compared before it gets its name.
    ///
    /// - Parameter progress: called with the bytes written or read back so far; in the end twice the bytes of the arrays.
    /// - Throws: `CheckpointError`, `FileError`.
    public func write(to path: String, progress: (Int) -> Void = { _ in }) throws {
        var bytes = 0
        func pass(_ array: CheckpointArray) {
            bytes += array.values.count * MemoryLayout<Float>.size
            progress(bytes)
        }
        let temporary = FileSystem.temporaryName(of: path)
        do {
            do {
                _ = try CheckpointFile.write(self, to: temporary, progress: pass)
            } catch let error as HDF5Error {
                throw CheckpointError.notPublished(file: path, stage: .write, reason: "\(error)")
            }
            try FileSystem.synchroniseFile(temporary)
            _ = try CheckpointFile.read(temporary, expecting: nil, visit: pass)
            try FileSystem.rename(temporary, to: path)
            try FileSystem.synchroniseFolder(of: path)
        } catch {
            unlink(temporary)
            throw error
        }
    }

    /// SHA-256 over step, attributes, names, shapes and numbers; what the file says as `content_sha256`.
    public var contentSHA256: String {
        contentDigest(
            step: step, attributes: attributes, datasets: arrays.map { DatasetDigest(path: $0.path, shape: $0.shape, sha256: $0.digest) })
    }
}

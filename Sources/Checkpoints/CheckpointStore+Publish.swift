internal import Checksums
internal import Failpoints
import Foundation

extension CheckpointStore {
    /// Writes a checkpoint so that it is either completely there or not at all, whatever happens meanwhile; then removes
    /// checkpoints that retention no longer wants. A file of the same step is replaced (the same content gives the same bytes;
    /// with other content, a kill between the two renames leaves that one step unloadable).
    ///
    /// Throws `CheckpointError` (`.noSpace`, `.notPublished`); temporary files are removed and earlier checkpoints are intact.
    @discardableResult
    public func publish(_ checkpoint: some CheckpointContent) throws -> PublishedCheckpoint {
        let file = path(of: checkpoint.step)
        let manifestFile = CheckpointManifest.path(of: file)
        let (temporary, temporaryManifest) = (FileSystem.temporaryName(of: file), FileSystem.temporaryName(of: manifestFile))
        var stage = PublishStage.freeSpace
        func enter(_ next: PublishStage) throws {
            stage = next
            Failpoints.reach(next.failpoint)
            try beforeStage(next)
        }
        do {
            try enter(.freeSpace)
            try FileSystem.createFolder(directory)
            try requireSpace(for: checkpoint)

            try enter(.write)
            // Never into a file that somebody else still has open: a coordinator that was superseded and wakes.
            unlink(temporary)
            let datasets = try CheckpointFile.write(checkpoint, to: temporary)

            try enter(.synchronise)
            try FileSystem.synchroniseFile(temporary)

            try enter(.verify)
            let bytes = try FileSystem.size(of: temporary)
            let digest = try FileSystem.digest(of: temporary)
            let manifest = CheckpointManifest(
                step: checkpoint.step, file: FileSystem.name(of: file), bytes: bytes, sha256: digest,
                previous: try previousManifestDigest(before: checkpoint.step), datasets: datasets)
            let state = try CheckpointFile.read(temporary, expecting: manifest) { _ in }
            guard state.step == checkpoint.step else {
                throw CheckpointError.damaged(file: temporary, dataset: nil, reason: "the step reads back as \(state.step)")
            }

            try enter(.manifest)
            try FileSystem.writeDurably(try manifest.encoded(), to: temporaryManifest)

            // The manifest first: a manifest without a file is removed at the next start, a file without one would look damaged.
            try enter(.renameManifest)
            try FileSystem.rename(temporaryManifest, to: manifestFile)
            try enter(.renameFile)
            try FileSystem.rename(temporary, to: file)
            try enter(.synchroniseFolder)
            try FileSystem.synchroniseFolder(of: file)

            try enter(.latest)
            try link("latest", to: checkpoint.step)
            try enter(.retention)
            let removed = try removeOld(published: checkpoint.step)
            Failpoints.reach(.checkpointPublished)
            return PublishedCheckpoint(step: checkpoint.step, file: file, bytes: bytes, sha256: digest, removed: removed)
        } catch {
            unlink(temporary)
            unlink(temporaryManifest)
            if let error = error as? CheckpointError, case .noSpace = error { throw error }
            throw CheckpointError.notPublished(file: file, stage: stage, reason: "\(error)")
        }
    }

    /// Steps that retention removes once `published` is the newest: all but the last `keepLast` up to it, every `keepEvery`-th, the best, and
    /// those that `keeps` names.
    /// Files of later steps (of an abandoned future, or damaged) are left alone: training will come by and replace them.
    func stepsToRemove(_ steps: [Int], published: Int) -> [Int] {
        let past = steps.filter { $0 < published }.sorted()
        return past.dropLast(keepLast - 1).filter { step in (keepEvery.map { step % $0 != 0 } ?? true) && !keeps(step) && step != best }
    }

    /// Removes what retention no longer wants beside the newest checkpoint, e.g. after the last evaluation. Not while something is published.
    public func removeOld() throws {
        if let newest = try steps().last { _ = try removeOld(published: newest) }
    }

    private func removeOld(published: Int) throws -> [Int] {
        let old = stepsToRemove(try steps(), published: published)
        for step in old {
            try FileSystem.remove(path(of: step))
            try FileSystem.remove(CheckpointManifest.path(of: path(of: step)))
        }
        if !old.isEmpty { try FileSystem.synchroniseFolder(of: path(of: published)) }
        return old
    }

    /// A checkpoint needs its numbers, about 4 KiB of headers a dataset, and room to spare.
    private func requireSpace(for checkpoint: some CheckpointContent) throws {
        var bytes = 1 << 16
        for array in checkpoint.deferredArrays { bytes += array.bytes + 4096 }
        for value in checkpoint.attributes.values { bytes += (value.string?.utf8.count ?? 8) + 64 }
        let needed = bytes + bytes / 10 * 3
        let free = try FileSystem.freeBytes(in: directory)
        guard free >= needed else { throw CheckpointError.noSpace(folder: directory, needed: needed, free: free) }
    }

    private func previousManifestDigest(before step: Int) throws -> String? {
        guard let previous = try steps().last(where: { $0 < step }) else { return nil }
        let manifest = CheckpointManifest.path(of: path(of: previous))
        return FileSystem.exists(manifest) ? try FileSystem.digest(of: manifest) : nil
    }

    /// Lets a link of the folder, e.g. `best`, name the checkpoint of a step. Throws `FileError`.
    public func link(_ link: String, to step: Int) throws {
        let path = directory + "/" + link
        let temporary = FileSystem.temporaryName(of: path)
        unlink(temporary)
        guard symlink(FileSystem.name(of: self.path(of: step)), temporary) == 0 else {
            throw FileError(operation: "create the link", path: path, code: errno)
        }
        try FileSystem.rename(temporary, to: path)
        try FileSystem.synchroniseFolder(of: path)
    }
}

extension PublishStage {
    /// Where `MVQ_FAIL` can stop a publication: when the stage begins.
    var failpoint: Failpoint {
        switch self {
        case .freeSpace: .checkpointFreeSpace
        case .write: .checkpointWrite
        case .synchronise: .checkpointSynchronise
        case .verify: .checkpointVerify
        case .manifest: .checkpointManifest
        case .renameManifest: .checkpointRenameManifest
        case .renameFile: .checkpointRenameFile
        case .synchroniseFolder: .checkpointSynchroniseFolder
        case .latest: .checkpointLatest
        case .retention: .checkpointRetention
        }
    }
}

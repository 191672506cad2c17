/// Why a checkpoint could not be loaded or published; `description` is one line: what, which file and dataset, the mend.
public enum CheckpointError: Error, Equatable, CustomStringConvertible {
    /// There is no such file.
    case notFound(file: String)
    /// The file's bytes are not the ones that were published.
    case damaged(file: String, dataset: String?, reason: String)
    /// The file is HDF5 but holds no checkpoint of this format.
    case notACheckpoint(file: String, reason: String)
    /// A checkpoint of a run has lost its manifest.
    case missingManifest(file: String)
    /// The manifest's bytes are not the ones that were published.
    case damagedManifest(file: String, reason: String)
    /// The folder has checkpoints, none of them can be loaded.
    case noneValid(folder: String, failures: [String])
    /// Too little free space to begin.
    case noSpace(folder: String, needed: Int, free: Int)
    /// A stage of publishing failed; what was published before is untouched.
    case notPublished(file: String, stage: PublishStage, reason: String)

    /// The exit code of a process that ends for this reason.
    public var exitCode: Int32 {
        switch self {
        case .notFound, .noneValid, .damaged, .notACheckpoint, .missingManifest, .damagedManifest: 66
        case .noSpace, .notPublished: 74
        }
    }

    public var description: String {
        switch self {
        case .notFound(let file):
            "\(file): there is no such checkpoint; check the path or the run's checkpoints folder"
        case .damaged(let file, let dataset, let reason):
            "\(file): \(dataset.map { "dataset \($0) is damaged" } ?? "the file is damaged"): \(reason); "
                + "use another checkpoint or an intact copy of this one"
        case .notACheckpoint(let file, let reason):
            "\(file): is no checkpoint: \(reason); give a file that training has written"
        case .missingManifest(let file):
            "\(file): its manifest \(CheckpointManifest.path(of: file)) is missing; copy it back, "
                + "or give the file by its path to load it without"
        case .damagedManifest(let file, let reason):
            "\(file): the manifest is damaged: \(reason); copy it again, or remove it and give the .h5 file by its path"
        case .noneValid(let folder, let failures):
            "\(folder): none of its \(failures.count) checkpoints can be loaded (newest: \(failures.first ?? "unknown")); "
                + "restore one from a copy, or start a new run"
        case .noSpace(let folder, let needed, let free):
            "\(folder): a checkpoint needs \(formatBytes(needed)) of free space, there are \(formatBytes(free)); "
                + "free some space or keep fewer checkpoints"
        case .notPublished(let file, let stage, let reason):
            "\(file): \(stage.isAfterPublication ? "published, but" : "not published,") stage \(stage.rawValue) failed: "
                + "\(reason); earlier checkpoints are intact"
        }
    }
}

/// A number of bytes for people: `"629.1 MB"`.
func formatBytes(_ count: Int) -> String {
    var value = Double(count)
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if value < 1000 || unit == "TB" {
            return unit == "B" ? "\(count) B" : "\((value * 10).rounded() / 10) \(unit)"
        }
        value /= 1000
    }
    return "\(count) B"
}

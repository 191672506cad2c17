internal import Failpoints
import Foundation

/// The HDF5 file of a checkpoint: arrays as datasets with a `sha256` attribute each, the state as attributes of `/state`,
/// and at the root `format`, `format_version` and `content_sha256`. The file can be verified without its manifest.
enum CheckpointFile {
    static let format = "mergevq-checkpoint"
    static let version = 1
    /// The first bytes of every HDF5 file.
    private static let signature: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]

    /// Writes the file and returns the digests of its datasets, sorted by path; `progress` hears of each array. Throws `HDF5Error`.
    static func write(
        _ checkpoint: some CheckpointContent, to path: String, progress: (CheckpointArray) -> Void = { _ in }
    ) throws -> [DatasetDigest] {
        let writer = try HDF5Writer(creating: path)
        var digests: [DatasetDigest] = []
        for deferred in checkpoint.deferredArrays.sorted(by: { $0.path < $1.path }) {
            Failpoints.reach(.checkpointDataset)
            let array = deferred.array
            let digest = array.digest
            try array.values.withUnsafeBufferPointer { try writer.write(array.path, shape: array.shape, values: $0) }
            try writer.setAttribute("sha256", .string(digest), of: array.path)
            digests.append(DatasetDigest(path: array.path, shape: array.shape, sha256: digest))
            progress(array)
        }
        try writer.createGroup("/state")
        try writer.setAttribute("step", .integer(checkpoint.step), of: "/state")
        let attributes = checkpoint.attributes
        for (name, value) in attributes.sorted(by: { $0.key < $1.key }) {
            try writer.setAttribute(name, value, of: "/state")
        }
        let content = contentDigest(step: checkpoint.step, attributes: attributes, datasets: digests)
        try writer.setAttribute("format", .string(format), of: "/")
        try writer.setAttribute("format_version", .integer(version), of: "/")
        try writer.setAttribute("content_sha256", .string(content), of: "/")
        try writer.close()
        return digests
    }

    /// What a file holds besides its arrays.
    typealias Content = (step: Int, attributes: [String: AttributeValue], contentSHA256: String)

    /// Reads every dataset, compares digests, and passes the arrays on one at a time.
    /// Throws `CheckpointError.damaged` naming the dataset, or `.notACheckpoint`.
    static func read(
        _ path: String, expecting manifest: CheckpointManifest?, visit: (CheckpointArray) -> Void
    ) throws -> Content {
        let reader = try open(path)
        let state = try attempt(reader, "/state") { try Self.state(of: $0) }
        let expected = manifest.map { Dictionary($0.datasets.map { ($0.path, $0) }, uniquingKeysWith: { first, _ in first }) }
        var digests: [DatasetDigest] = []
        for dataset in try attempt(reader, nil, { try datasetPaths(of: $0) }) {
            let (array, stored): (CheckpointArray, String) = try attempt(reader, dataset) {
                (
                    CheckpointArray(path: dataset, shape: try $0.shape(of: dataset), values: try $0.floats(dataset)),
                    try $0.stringAttribute("sha256", of: dataset)
                )
            }
            let digest = DatasetDigest(path: dataset, shape: array.shape, sha256: array.digest)
            guard digest.sha256 == stored else {
                throw CheckpointError.damaged(
                    file: path, dataset: dataset, reason: "its numbers do not match its sha256 attribute")
            }
            if let expected, expected[dataset] != digest {
                throw CheckpointError.damaged(
                    file: path, dataset: dataset, reason: "it does not match the manifest")
            }
            digests.append(digest)
            visit(array)
        }
        let present = Set(digests.map(\.path))
        if let missing = manifest?.datasets.first(where: { !present.contains($0.path) }) {
            throw CheckpointError.damaged(file: path, dataset: missing.path, reason: "it is missing")
        }
        let content = try attempt(reader, nil) { try $0.stringAttribute("content_sha256", of: "/") }
        guard content == contentDigest(step: state.step, attributes: state.attributes, datasets: digests) else {
            throw CheckpointError.damaged(
                file: path, dataset: nil, reason: "attributes or the list of datasets do not match content_sha256")
        }
        return (state.step, state.attributes, content)
    }

    /// Opens a file and makes sure that it claims to be a checkpoint of this version.
    static func open(_ path: String) throws -> HDF5Reader {
        let reader: HDF5Reader
        do {
            reader = try HDF5Reader(path: path)
        } catch HDF5Error.cannotOpen(_, let reason) {
            guard signature.starts(with: (try? FileHandle(forReadingAtPath: path)?.read(upToCount: signature.count)) ?? Data()) else {
                throw CheckpointError.notACheckpoint(file: path, reason: "it is not an HDF5 file")
            }
            throw CheckpointError.damaged(file: path, dataset: nil, reason: reason)
        }
        guard let found = try? reader.stringAttribute("format", of: "/"), found == format else {
            throw CheckpointError.notACheckpoint(file: path, reason: "it lacks the attribute format = \(format)")
        }
        let foundVersion = try? reader.integerAttribute("format_version", of: "/")
        guard foundVersion == version else {
            throw CheckpointError.notACheckpoint(
                file: path, reason: "its format_version is \(foundVersion.map(String.init) ?? "absent"), this program reads \(version)")
        }
        return reader
    }

    /// Step and attributes of `/state`. Throws `HDF5Error`.
    static func state(of reader: HDF5Reader) throws -> (step: Int, attributes: [String: AttributeValue]) {
        var attributes: [String: AttributeValue] = [:]
        for name in try reader.attributeNames(of: "/state") where name != "step" {
            switch try reader.attributeKind(name, of: "/state") {
            case .integer: attributes[name] = .integer(try reader.integerAttribute(name, of: "/state"))
            case .float: attributes[name] = .double(try reader.doubleAttribute(name, of: "/state"))
            case .string: attributes[name] = .string(try reader.stringAttribute(name, of: "/state"))
            case .other:
                throw HDF5Error.unsuitable(
                    file: reader.file, path: "attribute \(name) of /state", reason: "is neither number nor text")
            }
        }
        let step = try reader.integerAttribute("step", of: "/state")
        guard step >= 0 else {
            throw HDF5Error.damaged(file: reader.file, path: "attribute step of /state", reason: "is \(step)")
        }
        return (step, attributes)
    }

    /// Paths of all datasets outside `/state`, sorted. Throws `HDF5Error`.
    static func datasetPaths(of reader: HDF5Reader) throws -> [String] {
        var paths: [String] = []
        var pending = try reader.children(of: "/").filter { $0 != "state" }.map { "/" + $0 }
        while let path = pending.popLast() {
            let depth = path.split(separator: "/").count
            if try reader.isDataset(path) {
                guard depth >= 2 else {
                    throw HDF5Error.unsuitable(file: reader.file, path: path, reason: "is a dataset outside any group")
                }
                paths.append(path)
            } else {
                // A foreign file may hold a cycle of groups; a checkpoint's parameters are four levels deep at most.
                guard depth < 16 else {
                    throw HDF5Error.damaged(file: reader.file, path: path, reason: "groups are nested too deeply")
                }
                pending += try reader.children(of: path).map { path + "/" + $0 }
            }
        }
        return paths.sorted()
    }

    /// Runs a read and turns the reader's errors into ones that name the dataset of the checkpoint.
    private static func attempt<Value>(
        _ reader: HDF5Reader, _ dataset: String?, _ body: (HDF5Reader) throws -> Value
    ) throws -> Value {
        do {
            return try body(reader)
        } catch let error as HDF5Error {
            let reason = switch error {
            case .damaged(_, _, let reason), .cannotOpen(_, let reason), .cannotWrite(_, _, let reason): reason
            case .missing(_, let path): "\(path) is missing"
            case .unsuitable(_, let path, let reason): "\(path) \(reason)"
            }
            throw CheckpointError.damaged(file: reader.file, dataset: dataset, reason: reason)
        }
    }
}

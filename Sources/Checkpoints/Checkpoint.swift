internal import Checksums

/// One float32 array of a checkpoint.
public struct CheckpointArray: Equatable, Sendable {
    /// Absolute path of two or more components, e.g. `/model/encoder.conv_in.weight`; names contain dots, no slashes.
    public let path: String
    /// Dimensions, slowest first; `[]` for a scalar.
    public let shape: [Int]
    /// The numbers, row-major.
    public let values: [Float]

    public init(path: String, shape: [Int], values: [Float]) {
        precondition(checkedProduct(shape) == values.count, "\(path): shape \(shape) with \(values.count) values")
        let components = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        precondition(
            path.hasPrefix("/") && components.count >= 2 && components[0] != "state"
                && !components.contains { $0.isEmpty || $0 == "." },
            "no path of a checkpoint array: \(path)")
        self.path = path
        self.shape = shape
        self.values = values
    }

    /// SHA-256 of the numbers as little-endian float32 bytes. All platforms Swift on Linux runs on here are little-endian.
    var digest: String { values.withUnsafeBytes { SHA256.digest(of: $0) } }
}

/// Everything that a run needs to continue from one step.
///
/// Paths by convention: `/model/<parameter>`, `/ema/<parameter>`,
/// `/optimizer/<generator|discriminator>/<first_moment|second_moment>/<parameter>`.
public struct Checkpoint: Sendable {
    /// Number of finished training steps.
    public let step: Int
    /// Attributes of `/state` (`step` is added by itself): epoch, seed, config, digests and so on.
    public let attributes: [String: AttributeValue]
    /// The arrays; their paths are distinct. A loaded checkpoint has them sorted by path.
    public let arrays: [CheckpointArray]

    public init(step: Int, attributes: [String: AttributeValue], arrays: [CheckpointArray]) {
        precondition(step >= 0, "checkpoint of step \(step)")
        precondition(attributes["step"] == nil, "the attribute step is set by the checkpoint itself")
        precondition(Set(arrays.map(\.path)).count == arrays.count, "two arrays of one path")
        self.step = step
        self.attributes = attributes
        self.arrays = arrays
    }

    /// The array of a path.
    public subscript(path: String) -> CheckpointArray? { arrays.first { $0.path == path } }

    /// Arrays below a group, e.g. `/model`, by the rest of their path.
    public func arrays(under group: String) -> [String: CheckpointArray] {
        let prefix = group.hasSuffix("/") ? group : group + "/"
        var found: [String: CheckpointArray] = [:]
        for array in arrays where array.path.hasPrefix(prefix) { found[String(array.path.dropFirst(prefix.count))] = array }
        return found
    }
}

/// Name, shape and digest of one dataset.
struct DatasetDigest: Codable, Equatable, Sendable {
    let path: String
    let shape: [Int]
    /// SHA-256 of the little-endian float32 bytes, hexadecimal.
    let sha256: String
}

/// SHA-256 over step, attributes and dataset digests: the identity of a checkpoint's content.
func contentDigest(step: Int, attributes: [String: AttributeValue], datasets: [DatasetDigest]) -> String {
    let hash = SHA256()
    hash.update("mergevq-checkpoint 1\nstep \(step)\n")
    for name in attributes.keys.sorted() { hash.update("attribute \(name) \(attributes[name]?.canonicalText ?? "")\n") }
    for dataset in datasets.sorted(by: { $0.path < $1.path }) {
        hash.update("dataset \(dataset.path) \(dataset.shape) \(dataset.sha256)\n")
    }
    return hash.finish()
}

import Foundation

/// What a checkpoint file holds, for `mvq inspect`: as text (`text`) or as JSON (`Encodable`).
public struct CheckpointSummary: Encodable, Sendable {
    /// How the file stands against its digests.
    public enum Integrity: String, Encodable, Sendable {
        /// File and datasets match the manifest.
        case verified
        /// No manifest beside the file; the datasets match the digests inside the file.
        case manifestAbsent
        /// Something does not match: `damage` says what.
        case damaged
    }

    /// One dataset. Statistics are over its finite numbers; nil when it has none.
    public struct Tensor: Encodable, Sendable {
        public let path: String
        public let shape: [Int]
        public let mean: Double?
        /// Population standard deviation.
        public let standardDeviation: Double?
        public let minimum: Float?
        public let maximum: Float?
        /// How many numbers are NaN or infinite.
        public let nonFinite: Int

        /// Number of elements.
        public var count: Int { shape.reduce(1, *) }
    }

    /// Datasets with a common beginning of their path or name.
    public struct Total: Encodable, Sendable {
        public let name: String
        public let tensors: Int
        public let parameters: Int
        public let bytes: Int
    }

    public let file: String
    public let bytes: Int
    public let step: Int?
    public let integrity: Integrity
    /// The first thing found wrong; nil for an intact file.
    public let damage: String?
    /// Attributes of `/state`.
    public let state: [String: AttributeValue]
    /// Totals of `/model`, `/ema`, `/optimizer/…/first_moment` and so on.
    public let groups: [Total]
    /// Totals of `/model` by the first two components of the parameter name.
    public let modules: [Total]
    /// Every dataset that could be read, sorted by path.
    public let tensors: [Tensor]

    /// Reads the whole file. A damaged file gives a summary of what could be read; throws `CheckpointError` or `FileError`
    /// when nothing can be said about it.
    public init(path: String) throws {
        guard FileSystem.exists(path) else { throw CheckpointError.notFound(file: path) }
        var tensors: [Tensor] = []
        var found: (integrity: Integrity, damage: String?) = (.damaged, nil)
        do {
            let (_, manifest) = try CheckpointStore.verify(CheckpointStore.resolve(path)) { tensors.append(Tensor($0)) }
            found.integrity = manifest == .verified ? .verified : .manifestAbsent
        } catch let error as CheckpointError {
            if case .notACheckpoint = error { throw error }
            found.damage = "\(error)"
        }
        file = path
        bytes = try FileSystem.size(of: path)
        (integrity, damage) = found
        // libhdf5 does not survive every damage: a file known to be damaged is not opened again.
        let isOpened = integrity != .damaged
        let state = isOpened ? try? CheckpointFile.state(of: CheckpointFile.open(path)) : nil
        step = state?.step ?? (try? CheckpointManifest.load(CheckpointManifest.path(of: CheckpointStore.resolve(path))))?.step
        self.state = state?.attributes ?? [:]
        self.tensors = tensors
        groups = Self.totals(of: tensors) { $0.split(separator: "/").dropLast().joined(separator: "/") }
        modules = Self.totals(of: tensors) { path in
            guard path.hasPrefix("/model/") else { return nil }
            let components = path.dropFirst("/model/".count).split(separator: ".")
            return components.prefix(max(1, min(2, components.count - 1))).joined(separator: ".")
        }
    }

    private static func totals(of tensors: [Tensor], by name: (String) -> String?) -> [Total] {
        var members: [String: [Tensor]] = [:]
        for tensor in tensors {
            if let name = name(tensor.path) { members[name, default: []].append(tensor) }
        }
        return members.sorted { $0.key < $1.key }.map { name, tensors in
            let parameters = tensors.reduce(0) { $0 + $1.count }
            return Total(name: name, tensors: tensors.count, parameters: parameters, bytes: parameters * 4)
        }
    }
}

extension CheckpointSummary.Tensor {
    init(_ array: CheckpointArray) {
        var (count, sum, minimum, maximum) = (0, 0.0, Float.infinity, -Float.infinity)
        for value in array.values where value.isFinite {
            count += 1
            sum += Double(value)
            minimum = min(minimum, value)
            maximum = max(maximum, value)
        }
        let mean = sum / Double(count)
        var squares = 0.0
        for value in array.values where value.isFinite { squares += (Double(value) - mean) * (Double(value) - mean) }
        path = array.path
        shape = array.shape
        nonFinite = array.values.count - count
        self.mean = count > 0 ? mean : nil
        standardDeviation = count > 0 ? (squares / Double(count)).squareRoot() : nil
        self.minimum = count > 0 ? minimum : nil
        self.maximum = count > 0 ? maximum : nil
    }
}

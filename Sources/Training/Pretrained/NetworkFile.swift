import Checkpoints
import NeuralNet
import TensorCore

/// A network whose weights do not change, read from a file that `mvq import` wrote.
///
/// ```swift
/// let network = try NetworkFile(file: "perceptual.h5", kind: .perceptual)
/// let weights = try network.vector(for: layout)
/// ```
public struct NetworkFile: Sendable {
    public let file: String
    /// What the file was imported as.
    public let kind: PretrainedKind
    /// Names of the files it came from.
    public let source: String
    /// SHA-256 over names, shapes and numbers: equal for equal weights from equal sources.
    public let digest: String
    private let wanted: PretrainedKind
    private let arrays: [String: CheckpointArray]

    /// Reads and verifies a file.
    ///
    /// - Parameter kind: what is needed; a file of `perceptual` also serves for `vgg16` and `lpips`.
    /// - Throws: `CheckpointError` for a file that is absent or damaged, `PretrainedError` for one of something else.
    public init(file: String, kind wanted: PretrainedKind) throws {
        let checkpoint: Checkpoint
        do {
            checkpoint = try CheckpointStore.load(path: file).checkpoint
        } catch CheckpointError.notACheckpoint(_, let reason) {
            throw PretrainedError.notImported(file: file, kind: wanted, reason: "was not written by mvq import: \(reason)")
        }
        guard let name = checkpoint.attributes["kind"]?.string, let kind = PretrainedKind(rawValue: name) else {
            throw PretrainedError.notImported(file: file, kind: wanted, reason: "was not written by mvq import: it names no kind of network")
        }
        guard wanted.isPart(of: kind) else {
            throw PretrainedError.notImported(file: file, kind: wanted, reason: "holds \(kind.title), \(wanted.title) is needed")
        }
        self.file = file
        self.kind = kind
        self.wanted = wanted
        source = checkpoint.attributes["source"]?.string ?? "unknown"
        digest = checkpoint.contentSHA256
        arrays = checkpoint.arrays(under: "/model")
    }

    /// Name and shape of every array, sorted by name.
    public var contents: [ExpectedArray] {
        arrays.values.map { ExpectedArray(String($0.path.dropFirst("/model/".count)), $0.shape) }.sorted { $0.name < $1.name }
    }

    /// The arrays of a list, row-major, by name. More may be in the file.
    ///
    /// - Throws: `PretrainedError.unsuitable` naming what is missing or has another shape.
    public func values(of expected: [ExpectedArray]) throws -> [String: [Float]] {
        var values: [String: [Float]] = [:]
        var problems: [String] = []
        for array in expected {
            if let found = arrays[array.name] {
                if found.shape == array.shape {
                    values[array.name] = found.values
                } else {
                    problems.append("\(array.name) has shape \(found.shape), must be \(array.shape)")
                }
            } else {
                problems.append("lacks \(array.name) \(array.shape)")
            }
        }
        guard problems.isEmpty else {
            let more = problems.count > 3 ? " and \(problems.count - 3) more" : ""
            throw PretrainedError.unsuitable(file: file, kind: wanted, reason: problems.prefix(3).joined(separator: ", ") + more)
        }
        return values
    }

    /// The weights of a model of this layout, as one vector.
    ///
    /// - Parameter prefix: what the layout's names have in front of those in the file, e.g. `teacher.`.
    /// - Throws: `PretrainedError.unsuitable`.
    public func vector(for layout: ParameterLayout, prefix: String = "") throws -> Tensor {
        let names = layout.parameters.map { parameter in
            parameter.name.hasPrefix(prefix) ? String(parameter.name.dropFirst(prefix.count)) : parameter.name
        }
        let values = try values(of: zip(names, layout.parameters).map { ExpectedArray($0, $1.officialShape) })
        let vector = Tensor(zeros: [layout.count])
        for (name, parameter) in zip(names, layout.parameters) {
            if let elements = values[name] { parameter.setOfficial(elements, in: vector) }
        }
        return vector
    }
}

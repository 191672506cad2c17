import Checkpoints
import NeuralNet
import TensorCore

/// A file that `mvq import` wrote: the weights of a network that is not trained.
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
    /// Name and shape of every array, sorted by name.
    public let contents: [ExpectedArray]
    private let wanted: PretrainedKind
    private let values: [String: [Float]]

    /// Reads and verifies a file.
    ///
    /// - Parameter kind: what is needed; a file of `perceptual` also serves for `vgg16` and `lpips`.
    /// - Throws: `CheckpointError` for a file that is absent or damaged, `PretrainedError` for one of something else.
    public init(file: String, kind wanted: PretrainedKind) throws {
        try self.init(file: file, kind: wanted, keepsValues: true)
    }

    /// The digest of a file after checking that it holds the weights of a model of this layout. Of its numbers only one array at a time is held.
    ///
    /// - Throws: as `init` and `vector` do.
    public static func digest(of file: String, kind: PretrainedKind, fitting layout: ParameterLayout, prefix: String = "") throws -> String {
        let network = try NetworkFile(file: file, kind: kind, keepsValues: false)
        try network.check(expected(by: layout, prefix: prefix).map(\.array))
        return network.digest
    }

    private init(file: String, kind wanted: PretrainedKind, keepsValues: Bool) throws {
        let group = "/model/"
        var contents: [ExpectedArray] = []
        var values: [String: [Float]] = [:]
        let checkpoint: VerifiedCheckpoint
        do {
            checkpoint = try CheckpointStore.read(path: file) { array in
                guard array.path.hasPrefix(group) else { return }
                let name = String(array.path.dropFirst(group.count))
                contents.append(ExpectedArray(name, array.shape))
                if keepsValues { values[name] = array.values }
            }
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
        self.contents = contents.sorted { $0.name < $1.name }
        self.values = values
    }

    /// The arrays of a list, row-major, by name. More may be in the file.
    ///
    /// - Throws: `PretrainedError.unsuitable` naming what is missing or has another shape.
    public func values(of expected: [ExpectedArray]) throws -> [String: [Float]] {
        try check(expected)
        let names = Set(expected.map(\.name))
        return values.filter { names.contains($0.key) }
    }

    /// Refuses a file that lacks an array of the list.
    private func check(_ expected: [ExpectedArray]) throws {
        let shapes = Dictionary(uniqueKeysWithValues: contents.map { ($0.name, $0.shape) })
        let problems = expected.compactMap { array -> String? in
            guard let shape = shapes[array.name] else { return "lacks \(array.name) \(array.shape)" }
            return shape == array.shape ? nil : "\(array.name) has shape \(shape), must be \(array.shape)"
        }
        guard problems.isEmpty else {
            let more = problems.count > 3 ? " and \(problems.count - 3) more" : ""
            throw PretrainedError.unsuitable(file: file, kind: wanted, reason: problems.prefix(3).joined(separator: ", ") + more)
        }
    }

    /// The weights of a model of this layout, as one vector.
    ///
    /// - Parameter prefix: what the layout's names have in front of those in the file, e.g. `teacher.`.
    /// - Throws: `PretrainedError.unsuitable`.
    public func vector(for layout: ParameterLayout, prefix: String = "") throws -> Tensor {
        let expected = NetworkFile.expected(by: layout, prefix: prefix)
        try check(expected.map(\.array))
        let vector = Tensor(zeros: [layout.count])
        for (array, parameter) in expected {
            if let elements = values[array.name] { parameter.setOfficial(elements, in: vector) }
        }
        return vector
    }

    /// What the file must hold for every parameter of a layout.
    private static func expected(by layout: ParameterLayout, prefix: String) -> [(array: ExpectedArray, parameter: Parameter)] {
        layout.parameters.map { parameter in
            let name = parameter.name.hasPrefix(prefix) ? String(parameter.name.dropFirst(prefix.count)) : parameter.name
            return (ExpectedArray(name, parameter.officialShape), parameter)
        }
    }
}

import NeuralNet
import TensorCore

/// Starting the encoder's transformer from a larger trained one: of every tensor evenly spaced rows and columns (spec 7; Xu et al., Initializing
/// Models with Larger Ones, 2024).
public enum WeightSelection {
    /// Which `count` of `available` indices are taken along an axis: i·(T/S) where S divides T, else round(i·(T − 1)/(S − 1)), in double
    /// precision.
    public static func indices(of available: Int, count: Int) -> [Int] {
        precondition(count >= 1 && available >= count, "cannot select \(count) of \(available)")
        if available % count == 0 { return (0..<count).map { $0 * (available / count) } }
        return (0..<count).map { Int((Double($0) * Double(available - 1) / Double(count - 1)).rounded(.toNearestOrEven)) }
    }

    /// Overwrites the student's transformer blocks and class token with selected weights; nothing is written if anything is missing.
    ///
    /// - Parameters:
    ///   - teacher: tensors in the official order by timm's names: `cls_token`, `blocks.0.attn.qkv.weight`, …. What the student has no use for is
    ///     ignored.
    ///   - student: a vector of `layout`.
    ///   - scope: what comes before these names in the student's.
    public static func apply(
        _ teacher: [String: Tensor], to student: Tensor, layout: ParameterLayout, scope: String = "encoder.attn"
    ) throws(WeightSelectionError) {
        precondition(student.count == layout.count, "weights of shape \(student.shape) for a layout of \(layout.count)")
        var selected: [(parameter: Parameter, values: [Float])] = []
        for parameter in layout.parameters where parameter.name.hasPrefix(scope + ".") {
            let name = String(parameter.name.dropFirst(scope.count + 1))
            guard name == "cls_token" || name.hasPrefix("blocks.") else { continue }
            guard let tensor = teacher[name] else { throw .missing(tensor: name, parameter: parameter.name) }
            let (from, to) = (tensor.shape.array, parameter.officialShape)
            guard from.count == to.count, zip(from, to).allSatisfy({ $0 >= $1 }) else {
                throw .shape(tensor: name, shape: from, parameter: parameter.name, wanted: to)
            }
            selected.append((parameter, values(of: tensor, at: zip(from, to).map { indices(of: $0, count: $1) })))
        }
        guard !selected.isEmpty else { throw .noParameters(scope: scope) }
        for (parameter, values) in selected { parameter.setOfficial(values, in: student) }
    }

    /// The elements at all combinations of the given indices, row-major.
    private static func values(of tensor: Tensor, at indices: [[Int]]) -> [Float] {
        let positions = zip(tensor.shape.array, indices).reduce([0]) { positions, axis in
            positions.flatMap { position in axis.1.map { position * axis.0 + $0 } }
        }
        return tensor.withElements { elements in positions.map { elements[$0] } }
    }

    /// The tensors of a `VisionTransformer` under timm's names, query, key and value joined. Those that selection has no use for are left out.
    ///
    /// - Parameter tensors: in the official order by Hugging Face's names: `encoder.layer.0.norm1.weight`, …, with or without `teacher.` before
    ///   them.
    public static func timmNames(_ tensors: [String: Tensor]) throws(WeightSelectionError) -> [String: Tensor] {
        let parts = [
            "norm1": "norm1", "norm2": "norm2", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2", "attention.output.dense": "attn.proj",
            "attention.attention.query": "attn.qkv",
        ]
        var named: [String: Tensor] = [:]
        for (name, tensor) in tensors {
            let path = name.split(separator: ".").map(String.init)
            let words = path.first == "teacher" ? Array(path.dropFirst()) : path
            if words == ["embeddings", "cls_token"] { named["cls_token"] = tensor }
            guard words.count > 4, words[0] == "encoder", words[1] == "layer" else { continue }
            let block = "blocks.\(words[2])."
            let (part, kind) = (words[3..<(words.count - 1)].joined(separator: "."), words[words.count - 1])
            if part.hasPrefix("layer_scale") { named["\(block)ls\(part.dropFirst(11)).gamma"] = tensor }
            guard let part = parts[part] else { continue }
            named["\(block)\(part).\(kind)"] = part == "attn.qkv" ? try joined(name, tensors) : tensor
        }
        return named
    }

    /// Query, key and value one below the other, for the name of the query.
    private static func joined(_ query: String, _ tensors: [String: Tensor]) throws(WeightSelectionError) -> Tensor {
        var elements: [Float] = []
        var shape: [Int] = []
        for part in ["query", "key", "value"] {
            let words = query.split(separator: ".").map { $0 == "query" ? part : String($0) }
            let name = words.joined(separator: ".")
            guard let tensor = tensors[name] else { throw .missing(tensor: name, parameter: query) }
            guard shape.isEmpty || tensor.shape.array == shape else {
                throw .shape(tensor: name, shape: tensor.shape.array, parameter: query, wanted: shape)
            }
            shape = tensor.shape.array
            elements += tensor.elements
        }
        shape[0] *= 3
        return Tensor(elements, Shape(shape))
    }
}

/// Why a teacher's weights do not fit a student.
public enum WeightSelectionError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The teacher has no such tensor.
    case missing(tensor: String, parameter: String)
    /// The teacher's tensor has another number of axes, or is smaller along one of them.
    case shape(tensor: String, shape: [Int], parameter: String, wanted: [Int])
    /// The student has no transformer blocks there.
    case noParameters(scope: String)

    public var description: String {
        switch self {
        case .missing(let tensor, let parameter):
            "the teacher has no tensor \(tensor) for \(parameter); give a teacher with at least as many blocks, named as in timm"
        case .shape(let tensor, let shape, let parameter, let wanted):
            "the teacher's tensor \(tensor) has shape \(shape), too little for \(parameter) of shape \(wanted); give a teacher at least as wide"
        case .noParameters(let scope):
            "the student has no parameters \(scope).blocks…; give the scope of its transformer blocks"
        }
    }
}

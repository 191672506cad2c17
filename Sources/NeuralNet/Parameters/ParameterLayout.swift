import TensorCore

/// A model's parameters in definition order, side by side in one flat vector. Weights, gradients, optimizer moments and averages are all
/// vectors of this layout.
public struct ParameterLayout: Sendable {
    public let parameters: [Parameter]
    /// Floats in a vector of this layout.
    public let count: Int

    /// Collects what `build` registers.
    ///
    /// ```swift
    /// let (model, layout) = ParameterLayout.build { Tokenizer(configuration, $0) }
    /// ```
    public static func build<Model>(_ build: (ParameterScope) -> Model) -> (Model, ParameterLayout) {
        let registry = ParameterScope.Registry()
        let model = build(ParameterScope(registry: registry, path: ""))
        return (model, ParameterLayout(parameters: registry.parameters, count: registry.count))
    }

    /// The parameter of an official name.
    public func parameter(named name: String) -> Parameter? {
        parameters.first { $0.name == name }
    }

    /// Initial weights, a pure function of the seed.
    public func initialWeights(seed: UInt64) -> Tensor {
        let vector = Tensor(uninitialised: [count])
        for parameter in parameters {
            let values = parameter.initialiser.values(count: parameter.count, name: parameter.name, seed: seed)
            parameter.setOfficial(values, in: vector)
        }
        return vector
    }
}

/// A place in a model's tree of names where layers register their parameters: `scope / "attn" / "qkv"`.
public struct ParameterScope {
    final class Registry {
        var parameters: [Parameter] = []
        var count = 0
        var names: Set<String> = []
    }

    let registry: Registry
    let path: String

    /// The scope of a part.
    public static func / (scope: ParameterScope, part: String) -> ParameterScope {
        ParameterScope(registry: scope.registry, path: scope.path.isEmpty ? part : scope.path + "." + part)
    }

    /// The scope of a numbered part.
    public static func / (scope: ParameterScope, index: Int) -> ParameterScope { scope / String(index) }

    /// Registers a parameter.
    ///
    /// - Parameters:
    ///   - name: the last part of the official name, e.g. `weight`.
    ///   - shape: the shape in memory.
    ///   - officialShape: the shape in checkpoints, if it differs.
    public func parameter(
        _ name: String, _ shape: Shape, officialShape: [Int]? = nil, layout: Parameter.Layout = .plain,
        _ initialiser: Initialiser
    ) -> Parameter {
        let full = (self / name).path
        precondition(registry.names.insert(full).inserted, "two parameters are named \(full)")
        let parameter = Parameter(
            name: full, shape: shape, officialShape: officialShape ?? shape.array, layout: layout,
            offset: registry.count, initialiser: initialiser)
        precondition(parameter.officialShape.reduce(1, *) == shape.count, "shapes \(parameter.officialShape) and \(shape) of \(full)")
        registry.parameters.append(parameter)
        registry.count += shape.count
        return parameter
    }
}

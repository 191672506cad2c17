/// y = x·Wᵀ + b over the last axis.
public struct Linear: Sendable {
    package let weight: Parameter
    let bias: Parameter?

    /// Registers `weight [outputs, inputs]` and `bias [outputs]`.
    ///
    /// - Parameters:
    ///   - initialiser: of the weight; nil for the framework default U(±1/√inputs), which then holds for the bias too.
    ///   - pointwise: the official weight is that of a 1×1 convolution, `[outputs, inputs, 1, 1]`.
    public init(
        _ scope: ParameterScope, inputs: Int, outputs: Int, bias: Bool = true, initialiser: Initialiser? = nil, pointwise: Bool = false
    ) {
        weight = scope.parameter(
            "weight", [outputs, inputs], officialShape: pointwise ? [outputs, inputs, 1, 1] : nil, initialiser ?? .fanIn(inputs))
        self.bias = bias ? scope.parameter("bias", [outputs], initialiser == nil ? .fanIn(inputs) : .zeros) : nil
    }

    /// x `[…, inputs]` → `[…, outputs]`.
    public func callAsFunction(_ x: Variable) -> Variable {
        x.linear(weight: x.graph[weight], bias: bias.map { x.graph[$0] })
    }

    /// The layer and the exact GELU after it, whose result is for the next layer: x `[…, inputs]` → `[…, outputs]`.
    public func activated(_ x: Variable) -> Activated {
        x.linearGELU(weight: x.graph[weight], bias: bias.map { x.graph[$0] })
    }

    /// The layer after an exact GELU: x `[…, inputs]` → `[…, outputs]`.
    public func callAsFunction(_ x: Activated) -> Variable {
        let graph = x.input.graph
        return x.linear(weight: graph[weight], bias: bias.map { graph[$0] })
    }
}

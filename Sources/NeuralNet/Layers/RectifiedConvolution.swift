/// A 3×3 convolution, padding 1, with bias, and a ReLU after it.
public struct RectifiedConvolution: Sendable {
    let weight: Parameter
    let bias: Parameter

    /// Registers `weight` (official `[outputs, inputs, 3, 3]`) ~ U(±√(6/fan_in)), which keeps the size of the features from layer to layer, and
    /// `bias [outputs]` = 0.
    public init(_ scope: ParameterScope, inputs: Int, outputs: Int) {
        weight = scope.parameter(
            "weight", [outputs, 3, 3, inputs], officialShape: [outputs, inputs, 3, 3], layout: .convolution,
            .uniform(bound: (6 / Float(9 * inputs)).squareRoot()))
        bias = scope.parameter("bias", [outputs], .zeros)
    }

    /// x `[B, H, W, inputs]` → `[B, H, W, outputs]`.
    public func callAsFunction(_ x: Variable) -> Variable {
        x.rectifiedConvolution(weight: x.graph[weight], bias: x.graph[bias], padding: 1)
    }
}

/// A two-dimensional convolution with symmetric zero padding on channels-last maps.
public struct Convolution2D: Sendable {
    let weight: Parameter
    let bias: Parameter?
    let stride: Int
    let padding: Int

    /// Registers `weight` (official `[outputs, inputs, kernel, kernel]`) and `bias [outputs]`, both U(±1/√fan_in).
    ///
    /// - Parameter initialiser: of the weight alone, if not the default.
    public init(
        _ scope: ParameterScope, inputs: Int, outputs: Int, kernel: Int = 3, stride: Int = 1, padding: Int = 1, bias: Bool,
        initialiser: Initialiser? = nil
    ) {
        let fanIn = inputs * kernel * kernel
        weight = scope.parameter(
            "weight", [outputs, kernel, kernel, inputs], officialShape: [outputs, inputs, kernel, kernel], layout: .convolution,
            initialiser ?? .fanIn(fanIn))
        self.bias = bias ? scope.parameter("bias", [outputs], .fanIn(fanIn)) : nil
        self.stride = stride
        self.padding = padding
    }

    /// x `[B, H, W, inputs]` → `[B, H', W', outputs]`, H' = ⌊(H + 2·padding − kernel)/stride⌋ + 1.
    ///
    /// - Parameter residual: added to the result, of its shape.
    public func callAsFunction(_ x: Variable, adding residual: Variable? = nil) -> Variable {
        x.convolved(weight: x.graph[weight], bias: bias.map { x.graph[$0] }, stride: stride, padding: padding, adding: residual)
    }
}

/// A depthwise 3×3 convolution, padding 1, with bias.
public struct DepthwiseConvolution: Sendable {
    let weight: Parameter
    let bias: Parameter

    /// Registers `weight` (official `[channels, 1, 3, 3]`) ~ N(0, 0.02²) and `bias [channels]` = 0.
    public init(_ scope: ParameterScope, channels: Int) {
        weight = scope.parameter(
            "weight", [3, 3, channels], officialShape: [channels, 1, 3, 3], layout: .depthwise, .normal(deviation: 0.02))
        bias = scope.parameter("bias", [channels], .zeros)
    }

    /// x `[B, H, W, channels]` → the same shape.
    public func callAsFunction(_ x: Variable) -> Variable {
        x.depthwiseConvolved(weight: x.graph[weight], bias: x.graph[bias])
    }
}

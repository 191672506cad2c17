/// Layer normalisation of the last axis.
public struct LayerNorm: Sendable {
    let weight: Parameter
    let bias: Parameter
    let epsilon: Float

    /// Registers `weight [width]` = 1 and `bias [width]` = 0.
    public init(_ scope: ParameterScope, width: Int, epsilon: Float = 1e-5) {
        weight = scope.parameter("weight", [width], .ones)
        bias = scope.parameter("bias", [width], .zeros)
        self.epsilon = epsilon
    }

    public func callAsFunction(_ x: Variable) -> Variable {
        x.layerNormalised(gain: x.graph[weight], bias: x.graph[bias], epsilon: epsilon)
    }
}

/// Root-mean-square normalisation of the last axis, with a gain and no bias.
public struct RMSNorm: Sendable {
    package let weight: Parameter
    package let epsilon: Float

    /// Registers `weight [width]` = 1.
    public init(_ scope: ParameterScope, width: Int, epsilon: Float = 1e-5) {
        weight = scope.parameter("weight", [width], .ones)
        self.epsilon = epsilon
    }

    public func callAsFunction(_ x: Variable) -> Variable {
        x.rmsNormalised(gain: x.graph[weight], epsilon: epsilon)
    }
}

/// Group normalisation over a group's channels and all positions of an image, with an optional SiLU in the same pass.
public struct GroupNorm: Sendable {
    let weight: Parameter
    let bias: Parameter
    let groups: Int
    let epsilon: Float
    let silu: Bool

    /// Registers `weight [channels]` = 1 and `bias [channels]` = 0.
    public init(_ scope: ParameterScope, channels: Int, groups: Int, epsilon: Float = 1e-6, silu: Bool = false) {
        precondition(channels % groups == 0, "\(channels) channels do not divide into \(groups) groups")
        weight = scope.parameter("weight", [channels], .ones)
        bias = scope.parameter("bias", [channels], .zeros)
        self.groups = groups
        self.epsilon = epsilon
        self.silu = silu
    }

    /// x `[B, …, channels]` → the same shape.
    public func callAsFunction(_ x: Variable) -> Variable {
        x.groupNormalised(groups: groups, gain: x.graph[weight], bias: x.graph[bias], epsilon: epsilon, silu: silu)
    }
}

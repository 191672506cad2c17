import TensorCore

/// Batch normalisation of every channel over images and positions, with an optional leaky ReLU in the same pass.
///
/// Running statistics are no part of the layer: a pass in training returns the batch's statistics, and a pass in evaluation is given some.
public struct BatchNorm2D: Sendable {
    let weight: Parameter
    let bias: Parameter
    let epsilon: Float
    let slope: Float
    /// The layer's official name, under which running statistics are kept as `<name>.running_mean` and `<name>.running_var`.
    public let name: String
    public let channels: Int

    /// Registers `weight [channels]` ~ N(1, 0.02²) and `bias [channels]` = 0, as pix2pix does.
    ///
    /// - Parameter slope: of a leaky ReLU after the norm; 1 for none.
    public init(_ scope: ParameterScope, channels: Int, epsilon: Float = 1e-5, slope: Float = 1) {
        weight = scope.parameter("weight", [channels], .normal(mean: 1, deviation: 0.02))
        bias = scope.parameter("bias", [channels], .zeros)
        self.epsilon = epsilon
        self.slope = slope
        self.channels = channels
        name = scope.path
    }

    /// In training: x `[B, H, W, channels]` → the same shape, and the statistics it was normalised by. The output is made again in the backward
    /// pass rather than kept.
    public func callAsFunction(_ x: Variable) -> (output: Variable, statistics: BatchStatistics) {
        let statistics = x.batchStatistics()
        let output = x.graph.rematerialised { [self] in
            x.batchNormalised(statistics, gain: x.graph[weight], bias: x.graph[bias], epsilon: epsilon, slope: slope)
        }
        return (output, statistics)
    }

    /// In evaluation: x `[B, H, W, channels]` → the same shape, normalised by running means and variances `[channels]`.
    public func callAsFunction(_ x: Variable, means: [Float], variances: [Float]) -> Variable {
        x.batchNormalised(
            means: means, variances: variances, gain: x.graph[weight], bias: x.graph[bias], epsilon: epsilon, slope: slope)
    }
}

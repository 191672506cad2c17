import NeuralNet
import TensorCore

/// Adaptive group normalisation (spec 4.2, step 5a): GroupNorm without affine, then a scale and a bias per image and channel made from the
/// deviation and the mean of the quantised tokens over space. There is no "+1" on the scale.
package struct AdaptiveGroupNorm: Sendable {
    let gamma: Linear
    let beta: Linear
    let groups: Int

    package init(_ scope: ParameterScope, bits: Int, channels: Int, groups: Int) {
        gamma = Linear(scope / "gamma", inputs: bits, outputs: channels)
        beta = Linear(scope / "beta", inputs: bits, outputs: channels)
        self.groups = groups
    }

    /// x `[B, H, W, C]`; deviation and mean `[B, bits]`.
    package func callAsFunction(_ x: Variable, style: SpatialMoments) -> Variable {
        x.groupNormalised(groups: groups, gain: gamma(style.deviation), bias: beta(style.mean), epsilon: 1e-6, silu: false)
    }
}

/// Mean and deviation over space of the quantised tokens, both `[B, bits]`.
package struct SpatialMoments {
    package let mean: Variable
    /// √(unbiased variance + 1e-6)
    package let deviation: Variable

    package init(_ style: Variable) {
        let moments = style.spatialMoments()
        mean = style.spatialMean(moments)
        deviation = style.spatialDeviation(moments, epsilon: 1e-6)
    }
}

extension Variable {
    /// Mean over all positions: `[B, …, C]` → `[B, C]`.
    func spatialMean(_ moments: Moments) -> Variable {
        let (batch, channels) = (shape[0], shape[-1])
        let positions = value.count / (batch * channels)
        return graph.operation(Tensor(moments.means.map { Float($0) }, [batch, channels]), of: [self]) { [self] gradient in
            let share = Tensor(uninitialised: shape)
            for i in 0..<value.count {
                share.pointer[i] = gradient.pointer[i / (positions * channels) * channels + i % channels] / Float(positions)
            }
            accumulate(share)
        }
    }

    /// √(unbiased variance over all positions + ε): `[B, …, C]` → `[B, C]`.
    func spatialDeviation(_ moments: Moments, epsilon: Double) -> Variable {
        let (batch, channels) = (shape[0], shape[-1])
        let positions = value.count / (batch * channels)
        let (means, squares) = moments
        let deviations = squares.map { ($0 / Double(max(positions - 1, 1)) + epsilon).squareRoot() }
        return graph.operation(Tensor(deviations.map { Float($0) }, [batch, channels]), of: [self]) { [self] gradient in
            let share = Tensor(uninitialised: shape)
            for i in 0..<value.count {
                let cell = i / (positions * channels) * channels + i % channels
                let slope = (Double(value.pointer[i]) - means[cell]) / (Double(max(positions - 1, 1)) * deviations[cell])
                share.pointer[i] = gradient.pointer[cell] * Float(slope)
            }
            accumulate(share)
        }
    }

    /// Mean and Σ(x − mean)² over positions, per image and channel `[B · C]`.
    typealias Moments = (means: [Double], squares: [Double])

    func spatialMoments() -> Moments {
        let (batch, channels) = (shape[0], shape[-1])
        let positions = value.count / (batch * channels)
        var means = [Double](repeating: 0, count: batch * channels)
        var squares = means
        for image in 0..<batch {
            let x = value.pointer + image * positions * channels
            for i in 0..<(positions * channels) { means[image * channels + i % channels] += Double(x[i]) / Double(positions) }
            for i in 0..<(positions * channels) {
                let difference = Double(x[i]) - means[image * channels + i % channels]
                squares[image * channels + i % channels] += difference * difference
            }
        }
        return (means, squares)
    }
}

import NeuralNet

/// GroupNorm → SiLU → conv 3×3 → GroupNorm → SiLU → conv 3×3, plus the block's input, through a 1×1 convolution if the width changes
/// (spec 2.1).
package struct ResidualBlock: Sendable {
    let norm1: GroupNorm
    let conv1: Convolution2D
    let norm2: GroupNorm
    let conv2: Convolution2D
    let shortcut: Convolution2D?

    package init(_ scope: ParameterScope, inputs: Int, outputs: Int, groups: Int) {
        norm1 = GroupNorm(scope / "norm1", channels: inputs, groups: groups, silu: true)
        conv1 = Convolution2D(scope / "conv1", inputs: inputs, outputs: outputs, bias: false)
        norm2 = GroupNorm(scope / "norm2", channels: outputs, groups: groups, silu: true)
        conv2 = Convolution2D(scope / "conv2", inputs: outputs, outputs: outputs, bias: false)
        shortcut = inputs == outputs
            ? nil : Convolution2D(scope / "nin_shortcut", inputs: inputs, outputs: outputs, kernel: 1, padding: 0, bias: false)
    }

    /// x `[B, H, W, inputs]` → `[B, H, W, outputs]`.
    package func callAsFunction(_ x: Variable) -> Variable {
        x.graph.block(x) { [self] inputs in
            let x = inputs[0]
            // The normalised maps are only convolved: not kept.
            let hidden = conv1(x.graph.rematerialised { [norm1] in norm1(x) })
            return conv2(x.graph.rematerialised { [norm2] in norm2(hidden) }, adding: shortcut?(x) ?? x)
        }
    }
}

/// conv 3×3 to four times the channels, then depth to space (spec 4.2): `[B, H, W, C]` → `[B, 2H, 2W, C]`.
package struct Upsampler: Sendable {
    let conv1: Convolution2D

    package init(_ scope: ParameterScope, channels: Int) {
        conv1 = Convolution2D(scope / "conv1", inputs: channels, outputs: 4 * channels, bias: true)
    }

    package func callAsFunction(_ x: Variable) -> Variable { conv1(x).depthToSpace() }
}

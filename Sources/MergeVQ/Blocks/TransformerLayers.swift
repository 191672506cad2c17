import NeuralNet
import TensorCore

/// N(0, 0.02²), the start of every transformer weight (spec 7).
let transformerInitialiser = Initialiser.normal(deviation: 0.02)

/// Multi-head self-attention with packed projections, biases everywhere, no query/key normalisation (spec 2.4).
package struct SelfAttention: Sendable {
    let qkv: Linear
    let proj: Linear
    let heads: Int

    package init(_ scope: ParameterScope, width: Int, heads: Int) {
        precondition(width % heads == 0, "width \(width) does not divide into \(heads) heads")
        qkv = Linear(scope / "qkv", inputs: width, outputs: 3 * width, initialiser: transformerInitialiser)
        proj = Linear(scope / "proj", inputs: width, outputs: width, initialiser: transformerInitialiser)
        self.heads = heads
    }

    /// x `[B, t, D]` → attention output `[B, t, D]`, and the packed projections `[B, t, 3D]` whose keys are the merge metric.
    package func callAsFunction(_ x: Variable, logSizes: Tensor? = nil) -> (output: Variable, projections: Variable) {
        let projections = qkv(x)
        return (proj(projections.selfAttention(heads: heads, keyBias: logSizes)), projections)
    }

    /// The merge metric: keys averaged over heads, before scaling, `[B, t, D/heads]` (spec 2.4, step 4).
    package func metric(_ projections: Tensor) -> Tensor {
        let (batch, length, width) = (projections.shape[0], projections.shape[1], projections.shape[2] / 3)
        let headWidth = width / heads
        let metric = Tensor(zeros: [batch, length, headWidth])
        for token in 0..<(batch * length) {
            let keys = projections.pointer + token * 3 * width + width
            let target = metric.pointer + token * headWidth
            for head in 0..<heads {
                for i in 0..<headWidth { target[i] += keys[head * headWidth + i] }
            }
            for i in 0..<headWidth { target[i] /= Float(heads) }
        }
        return metric
    }
}

/// Linear D→4D, GELU, Linear 4D→D.
package struct MLP: Sendable {
    let fc1: Linear
    let fc2: Linear

    package init(_ scope: ParameterScope, width: Int, hidden: Int) {
        fc1 = Linear(scope / "fc1", inputs: width, outputs: hidden, initialiser: transformerInitialiser)
        fc2 = Linear(scope / "fc2", inputs: hidden, outputs: width, initialiser: transformerInitialiser)
    }

    package func callAsFunction(_ x: Variable) -> Variable { fc2(fc1.activated(x)) }
}

/// The MLP with a depthwise 3×3 convolution before the GELU (spec 4.2, step 4).
package struct MixFFN: Sendable {
    let fc1: Linear
    let dwconv: DepthwiseConvolution
    let fc2: Linear

    package init(_ scope: ParameterScope, width: Int, hidden: Int) {
        fc1 = Linear(scope / "fc1", inputs: width, outputs: hidden, initialiser: transformerInitialiser)
        dwconv = DepthwiseConvolution(scope / "dwconv", channels: hidden)
        fc2 = Linear(scope / "fc2", inputs: hidden, outputs: width, initialiser: transformerInitialiser)
    }

    /// x `[B, h·w, D]` → the same shape; the convolution sees it as an h × w map.
    package func callAsFunction(_ x: Variable, height: Int, width: Int) -> Variable {
        let hidden = fc1(x)
        let map = hidden.reshaped([x.shape[0], height, width, hidden.shape[2]])
        // Nine multiplications an element, so made twice rather than kept.
        return fc2(Activated(x.graph.rematerialised { [dwconv] in dwconv(map).reshaped(hidden.shape) }))
    }
}

/// A residual branch's gain per channel: x + γ ⊙ branch.
package struct LayerScale: Sendable {
    let gamma: Parameter

    package init(_ scope: ParameterScope, name: String = "gamma", width: Int, start: Float) {
        gamma = scope.parameter(name, [width], .constant(start))
    }

    package func callAsFunction(_ x: Variable, branch: Variable) -> Variable {
        x.addingScaled(branch, gain: x.graph[gamma])
    }
}

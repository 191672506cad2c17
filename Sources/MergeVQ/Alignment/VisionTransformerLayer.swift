import NeuralNet
import TensorCore

/// One pre-norm block of the teacher under its Hugging Face names (spec 6.1): attention and MLP, each behind a LayerScale. Inference only.
struct VisionTransformerLayer: Sendable {
    let norm1: LayerNorm
    let query: Linear
    let key: Linear
    let value: Linear
    let output: Linear
    let scale1: LayerScale
    let norm2: LayerNorm
    let mlp: MLP
    let scale2: LayerScale
    let attention: Attention

    /// ε of the teacher's norms; the student's have 10⁻⁵.
    static let epsilon: Float = 1e-6

    init(_ scope: ParameterScope, width: Int, heads: Int) {
        precondition(width % heads == 0, "width \(width) does not divide into \(heads) heads")
        func projection(_ scope: ParameterScope) -> Linear {
            Linear(scope, inputs: width, outputs: width, initialiser: transformerInitialiser)
        }
        let projections = scope / "attention" / "attention"
        norm1 = LayerNorm(scope / "norm1", width: width, epsilon: Self.epsilon)
        query = projection(projections / "query")
        key = projection(projections / "key")
        value = projection(projections / "value")
        output = projection(scope / "attention" / "output" / "dense")
        scale1 = LayerScale(scope / "layer_scale1", name: "lambda1", width: width, start: 1)
        norm2 = LayerNorm(scope / "norm2", width: width, epsilon: Self.epsilon)
        mlp = MLP(scope / "mlp", width: width, hidden: 4 * width)
        scale2 = LayerScale(scope / "layer_scale2", name: "lambda1", width: width, start: 1)
        attention = Attention(heads: heads, headWidth: width / heads)
    }

    /// Tokens `[B, t, D]` → the same shape.
    func callAsFunction(_ x: Variable) -> Variable {
        let y = scale1(x, branch: output(attended(norm1(x))))
        return scale2(y, branch: mlp(norm2(y)))
    }

    /// Attention of the projections, which lie apart: the official names are those of three layers. Records nothing.
    private func attended(_ x: Variable) -> Variable {
        let result = attention.forward(
            q: Attention.Operand(query(x).value), k: Attention.Operand(key(x).value), v: Attention.Operand(value(x).value), keyBias: nil,
            pool: x.graph.pool)
        return x.graph.constant(result.output)
    }
}

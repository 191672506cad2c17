import NeuralNet

/// The MLP from the class token to the teacher's feature (spec 2.7).
public struct AlignmentHead: Sendable {
    public enum Kind: String, Sendable, CaseIterable {
        /// Linear, GELU, LayerNorm, Linear (the G configuration).
        case normed
        /// Linear, GELU, Linear, GELU, Linear (G+R and R: "layer3").
        case deep
    }

    private enum Layers: Sendable {
        case normed(Linear, LayerNorm, Linear)
        case deep(Linear, Linear, Linear)
    }

    private let layers: Layers

    init(_ scope: ParameterScope, kind: Kind, width: Int, outputs: Int) {
        let hidden = 4 * width
        let first = Linear(scope / 0, inputs: width, outputs: hidden)
        switch kind {
        case .normed:
            layers = .normed(
                first, LayerNorm(scope / 2, width: hidden), Linear(scope / 3, inputs: hidden, outputs: outputs))
        case .deep:
            layers = .deep(
                first, Linear(scope / 2, inputs: hidden, outputs: hidden), Linear(scope / 4, inputs: hidden, outputs: outputs))
        }
    }

    /// Class token `[B, D]` → `[B, outputs]`.
    public func callAsFunction(_ classToken: Variable) -> Variable {
        switch layers {
        case .normed(let first, let norm, let last): return last(norm(first(classToken).gelu()))
        case .deep(let first, let second, let last): return last(second(first(classToken).gelu()).gelu())
        }
    }
}

import TensorCore

/// A value on its way through an exact GELU into a linear layer. The graph keeps the value alone: the activation is for the layer's forward pass,
/// and the backward pass has it again from the numbers that GELU′ needs anyway.
public struct Activated {
    let input: Variable
    /// GELU(input), made together with it; nil if it still has to be.
    private let gelu: Tensor?

    public init(_ input: Variable) { self.init(input, gelu: nil) }

    init(_ input: Variable, gelu: Tensor?) {
        self.input = input
        self.gelu = gelu
    }

    /// y = GELU(x)·Wᵀ + b over the last axis: weight `[outputs, inputs]`, bias `[outputs]`.
    public func linear(weight: Variable, bias: Variable?) -> Variable {
        let (x, pool) = (input, input.graph.pool)
        let result = (gelu ?? x.value.gelu(pool: pool)).linear(weight: weight.value, bias: bias?.value, pool: pool)
        return x.graph.operation(result, of: [x, weight] + (bias.map { [$0] } ?? [])) { gradient in
            let (share, activation) = gradient.geluLinearInputGradient(weight: weight.value, input: x.value, pool: pool)
            x.accumulate(share)
            weight.accumulate { sink, beta in gradient.linearWeightGradient(input: activation, into: sink, beta: beta, pool: pool) }
            bias?.accumulate { sink, beta in gradient.columnSums(into: sink, beta: beta, pool: pool) }
        }
    }
}

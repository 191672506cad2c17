import TensorCore

extension Variable {
    /// Multi-head self-attention on packed projections `[B, t, 3D]` (all q, all k, all v): `[B, t, D]`.
    ///
    /// - Parameters:
    ///   - keyBias: added to every score of a key, `[B, t]`: the log of the token sizes in proportional attention (eq. 14). No gradient.
    ///   - mask: which tokens each one sees, if not all; not together with a bias.
    public func selfAttention(heads: Int, keyBias: Tensor?, mask: AttentionMask? = nil) -> Variable {
        let width = shape[2] / 3
        precondition(shape[2] == 3 * width && width % heads == 0, "packed projections of shape \(shape) for \(heads) heads")
        if keyBias == nil, let mask, shape[1] <= ShortAttention.longest { return shortSelfAttention(heads: heads, mask: mask) }
        let attention = Attention(heads: heads, headWidth: width / heads)
        let (q, k, v) = (
            Attention.Operand(value), Attention.Operand(value, column: width), Attention.Operand(value, column: 2 * width)
        )
        let result = attention.forward(q: q, k: k, v: v, keyBias: keyBias, mask: mask, pool: pool)
        return graph.operation(result.output, of: [self]) { [self] gradient in
            let share = Tensor(uninitialised: shape)
            attention.backward(
                gradient, q: q, k: k, v: v, result: result, dq: Attention.Operand(share),
                dk: Attention.Operand(share, column: width), dv: Attention.Operand(share, column: 2 * width), pool: pool)
            accumulate(share)
        }
    }

    private func shortSelfAttention(heads: Int, mask: AttentionMask) -> Variable {
        let attention = ShortAttention(heads: heads, headWidth: shape[2] / 3 / heads)
        return graph.operation(attention.forward(value, mask: mask, pool: pool), of: [self]) { [self] gradient in
            accumulate(attention.backward(gradient, value, mask: mask, pool: pool))
        }
    }

    /// Multi-head cross-attention: queries `[B, L, D]` (self) on packed keys and values `[B, K, 2D]`: `[B, L, D]`.
    public func crossAttention(keysAndValues: Variable, heads: Int) -> Variable {
        let width = shape[2]
        precondition(
            keysAndValues.shape[2] == 2 * width && width % heads == 0, "cross-attention of \(shape) on \(keysAndValues.shape), \(heads) heads")
        let attention = Attention(heads: heads, headWidth: width / heads)
        let q = Attention.Operand(value)
        let (k, v) = (Attention.Operand(keysAndValues.value), Attention.Operand(keysAndValues.value, column: width))
        let result = attention.forward(q: q, k: k, v: v, keyBias: nil, pool: pool)
        return graph.operation(result.output, of: [self, keysAndValues]) { [self] gradient in
            let queryShare = Tensor(uninitialised: shape)
            let share = Tensor(uninitialised: keysAndValues.shape)
            attention.backward(
                gradient, q: q, k: k, v: v, result: result, dq: Attention.Operand(queryShare),
                dk: Attention.Operand(share), dv: Attention.Operand(share, column: width), pool: pool)
            accumulate(queryShare)
            keysAndValues.accumulate(share)
        }
    }
}

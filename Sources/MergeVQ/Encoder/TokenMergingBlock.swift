import NeuralNet

/// A pre-norm transformer block that merges tokens between attention and MLP (eq. 7, spec 2.4).
struct TokenMergingBlock: Sendable {
    let norm1: LayerNorm
    let attention: SelfAttention
    let scale1: LayerScale
    let norm2: LayerNorm
    let mlp: MLP
    let scale2: LayerScale

    init(_ scope: ParameterScope, width: Int, heads: Int, layerScale: Float) {
        norm1 = LayerNorm(scope / "norm1", width: width)
        attention = SelfAttention(scope / "attn", width: width, heads: heads)
        scale1 = LayerScale(scope / "ls1", width: width, start: layerScale)
        norm2 = LayerNorm(scope / "norm2", width: width)
        mlp = MLP(scope / "mlp", width: width, hidden: 4 * width)
        scale2 = LayerScale(scope / "ls2", width: width, start: layerScale)
    }

    /// Attention biased by the token sizes, then `merges` tokens fewer, then the MLP on what remains.
    func callAsFunction(_ sequence: TokenSequence, merges: Int) -> TokenSequence {
        var sequence = sequence
        let x = sequence.tokens
        let (output, projections) = attention(norm1(x), logSizes: sequence.logSizes)
        sequence.tokens = scale1(x, branch: output)
        if merges > 0 { sequence.merge(merges, metric: attention.metric(projections.value)) }
        sequence.tokens = scale2(sequence.tokens, branch: mlp(norm2(sequence.tokens)))
        return sequence
    }
}

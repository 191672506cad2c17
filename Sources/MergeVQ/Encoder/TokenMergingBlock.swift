import NeuralNet

/// A pre-norm transformer block that merges tokens between attention and MLP (eq. 7, spec 2.4).
package struct TokenMergingBlock: Sendable {
    let norm1: LayerNorm
    let attention: SelfAttention
    let scale1: LayerScale
    let norm2: LayerNorm
    let mlp: MLP
    let scale2: LayerScale

    package init(_ scope: ParameterScope, width: Int, heads: Int, layerScale: Float) {
        norm1 = LayerNorm(scope / "norm1", width: width)
        attention = SelfAttention(scope / "attn", width: width, heads: heads)
        scale1 = LayerScale(scope / "ls1", width: width, start: layerScale)
        norm2 = LayerNorm(scope / "norm2", width: width)
        mlp = MLP(scope / "mlp", width: width, hidden: 4 * width)
        scale2 = LayerScale(scope / "ls2", width: width, start: layerScale)
    }

    /// Attention biased by the token sizes, then `merges` tokens fewer, then the MLP on what remains.
    package func callAsFunction(_ sequence: TokenSequence, merges: Int) -> TokenSequence {
        // Decided in the first run; a second one, in the backward pass, replays it.
        var merge: TokenSequence.Merge?
        let tokens = sequence.tokens.graph.block(sequence.tokens) { [self] inputs in
            let (x, graph) = (inputs[0], inputs[0].graph)
            let (output, projections) = attention(graph.rematerialised { [norm1] in norm1(x) }, logSizes: sequence.logSizes)
            var current = sequence
            current.tokens = scale1(x, branch: output)
            if merge == nil, merges > 0 { merge = current.matched(merges, metric: attention.metric(projections.value)) }
            if let merge { current.apply(merge.table, newLength: merge.newLength) }
            let kept = current.tokens
            return scale2(kept, branch: mlp(graph.rematerialised { [norm2] in norm2(kept) }))
        }
        var result = sequence
        if let merge { result.follow(merge) }
        result.tokens = tokens
        return result
    }
}

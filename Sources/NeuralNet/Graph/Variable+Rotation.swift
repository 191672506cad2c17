import TensorCore

extension Variable {
    /// Every head of `[B, t, heads · headWidth]` rotated with its token (two-axis RoPE).
    public func rotatedHeads(by rotation: Rotation) -> Variable {
        graph.operation(value.rotatedHeads(by: rotation, pool: pool), passing: [self]) { [node, pool] gradient in
            node.accumulate(gradient.rotatedHeads(by: rotation, inverse: true, pool: pool))
        }
    }

    /// Packed projections of attention with rotated queries and keys, as `selfAttention` takes them: `[B, t, (H + 2·Hkv)·w]` (queries, keys,
    /// values) → `[B, t, 3·H·w]`. With fewer key and value heads than query heads, each serves H/Hkv query heads in a row.
    public func rotatedProjections(heads: Int, keyValueHeads: Int, by rotation: Rotation) -> Variable {
        let heads = ProjectionHeads(queries: heads, keys: keyValueHeads)
        return graph.operation(value.rotatedProjections(heads, by: rotation, pool: pool), passing: [self]) { [node, pool] gradient in
            node.accumulate(gradient.rotatedProjectionsGradient(heads, by: rotation, pool: pool))
        }
    }
}

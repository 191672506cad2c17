// Products of a few rows with large weights, and attention of a few queries on blocks of a cache: what generation consists of. A result's bits do not
// depend on the other rows of a call, nor on the processor's vectors.
internal import CFloat

/// Outputs in a panel of weights, and entries in a block of a cache.
package let rowPanelWidth = Int(ROW_PANEL_WIDTH)

/// out[r] = a[r] · Wᵀ for weights in panels `[depth][32]` one after the other, added to what is in `out` if `adds`. `out` has whole panels.
@inline(never)
package func rowPanelProduct(
    _ a: UnsafePointer<Float>, stride: Int, rows: Int, panels: UnsafePointer<Float>, panelCount: Int, depth: Int,
    into out: UnsafeMutablePointer<Float>, outStride: Int, adds: Bool
) {
    row_panel_product(a, stride, rows, panels, panelCount, depth, out, outStride, adds)
}

/// The products of queries `[rows][width]` with the 32 keys of a block `[width][32]`.
@inline(never)
package func keyBlockScores(
    _ queries: UnsafePointer<Float>, stride: Int, rows: Int, keys: UnsafePointer<Float>, width: Int, into scores: UnsafeMutablePointer<Float>,
    scoreStride: Int
) {
    key_block_scores(queries, stride, rows, keys, width, scores, scoreStride)
}

/// out[r] = Σ weights[r][e] · values[e] over the first `count` of a block's values `[32][width]`, added to what is in `out` if `adds`. The width is
/// a multiple of 16. Values behind `count` are not read.
@inline(never)
package func valueBlockSum(
    _ weights: UnsafePointer<Float>, stride: Int, rows: Int, count: Int, values: UnsafePointer<Float>, width: Int,
    into out: UnsafeMutablePointer<Float>, outStride: Int, adds: Bool
) {
    value_block_sum(weights, stride, rows, count, values, width, out, outStride, adds)
}

/// The attention of one head's query on two keys: out = softmax(query · keys · scale) · values.
@inline(never)
package func pairAttention(
    _ query: UnsafePointer<Float>, firstKey: UnsafePointer<Float>, firstValue: UnsafePointer<Float>, secondKey: UnsafePointer<Float>,
    secondValue: UnsafePointer<Float>, scale: Float, into out: UnsafeMutablePointer<Float>, width: Int
) {
    var (first, second): (Float, Float) = (0, 0)
    for d in 0..<width {
        first = relaxed_dot(query[d], firstKey[d], first)
        second = relaxed_dot(query[d], secondKey[d], second)
    }
    // The share of the second key; NaN stays NaN.
    let share = sigmoid((second - first) * scale)
    for d in 0..<width { out[d] = relaxed_multiply_add(share, secondValue[d] - firstValue[d], firstValue[d]) }
}

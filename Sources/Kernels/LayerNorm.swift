// Layer normalisation over rows.
internal import CFloat

/// out[r] = (x[r] − mean) · inverseDeviation · gain + bias; keeps mean and inverse deviation of every row for the backward pass.
@inline(never)
package func layerNorm(
    _ x: UnsafePointer<Float>, gain: UnsafePointer<Float>, bias: UnsafePointer<Float>, epsilon: Float,
    into out: UnsafeMutablePointer<Float>, mean: UnsafeMutablePointer<Float>, inverseDeviation: UnsafeMutablePointer<Float>,
    rows: Int, columns: Int
) {
    let inverseCount = 1 / Float(columns)
    for r in 0..<rows {
        let row = x + r &* columns
        let target = out + r &* columns
        let center = sum(row, count: columns) * inverseCount
        var squares: Float = 0
        for c in 0..<columns {
            let d = row[c] - center
            squares = relaxed_dot(d, d, squares)
        }
        let inverse = 1 / relaxed_sqrt(squares * inverseCount + epsilon)
        for c in 0..<columns {
            target[c] = relaxed_multiply_add((row[c] - center) * inverse, gain[c], bias[c])
        }
        mean[r] = center
        inverseDeviation[r] = inverse
    }
}

/// dx of `layerNorm` for rows of `columns`; adds the rows' shares to `gainGradient` and `biasGradient [columns]`.
@inline(never)
package func layerNormBackward(
    _ x: UnsafePointer<Float>, gain: UnsafePointer<Float>, mean: UnsafePointer<Float>, inverseDeviation: UnsafePointer<Float>,
    gradient: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>,
    gainGradient: UnsafeMutablePointer<Float>, biasGradient: UnsafeMutablePointer<Float>, rows: Int, columns: Int
) {
    let inverseCount = 1 / Float(columns)
    for r in 0..<rows {
        let row = x + r &* columns
        let dy = gradient + r &* columns
        let dx = out + r &* columns
        let center = mean[r]
        let inverse = inverseDeviation[r]
        var sumGradient: Float = 0
        var sumProjection: Float = 0
        for c in 0..<columns {
            let normalised = (row[c] - center) * inverse
            let weighted = dy[c] * gain[c]
            sumGradient = relaxed_sum(sumGradient, weighted)
            sumProjection = relaxed_dot(weighted, normalised, sumProjection)
        }
        let meanGradient = sumGradient * inverseCount
        let meanProjection = sumProjection * inverseCount
        for c in 0..<columns {
            let normalised = (row[c] - center) * inverse
            dx[c] = inverse * (dy[c] * gain[c] - meanGradient - normalised * meanProjection)
            gainGradient[c] = relaxed_multiply_add(dy[c], normalised, gainGradient[c])
            biasGradient[c] += dy[c]
        }
    }
}

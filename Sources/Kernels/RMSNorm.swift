// Root-mean-square normalisation over rows.
internal import CFloat

/// out[r] = x[r] · (mean x[r]² + ε)^(−1/2) · gain; keeps the factor of every row for the backward pass.
@inline(never)
package func rmsNorm(
    _ x: UnsafePointer<Float>, gain: UnsafePointer<Float>, epsilon: Float, into out: UnsafeMutablePointer<Float>,
    factors: UnsafeMutablePointer<Float>, rows: Int, columns: Int
) {
    let inverseCount = 1 / Float(columns)
    for r in 0..<rows {
        let row = x + r &* columns
        let target = out + r &* columns
        var squares: Float = 0
        for c in 0..<columns { squares = relaxed_dot(row[c], row[c], squares) }
        let factor = 1 / relaxed_sqrt(squares * inverseCount + epsilon)
        for c in 0..<columns { target[c] = row[c] * factor * gain[c] }
        factors[r] = factor
    }
}

/// dx of `rmsNorm` for rows of `columns`; adds the rows' shares to `gainGradient [columns]`.
@inline(never)
package func rmsNormBackward(
    _ x: UnsafePointer<Float>, gain: UnsafePointer<Float>, factors: UnsafePointer<Float>, gradient: UnsafePointer<Float>,
    into out: UnsafeMutablePointer<Float>, gainGradient: UnsafeMutablePointer<Float>, rows: Int, columns: Int
) {
    let inverseCount = 1 / Float(columns)
    for r in 0..<rows {
        let row = x + r &* columns
        let dy = gradient + r &* columns
        let dx = out + r &* columns
        let factor = factors[r]
        var projection: Float = 0
        for c in 0..<columns { projection = relaxed_dot(dy[c] * gain[c], row[c] * factor, projection) }
        let mean = projection * inverseCount
        for c in 0..<columns {
            let normalised = row[c] * factor
            dx[c] = factor * (dy[c] * gain[c] - normalised * mean)
            gainGradient[c] = relaxed_multiply_add(dy[c], normalised, gainGradient[c])
        }
    }
}

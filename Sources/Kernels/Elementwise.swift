// Loops over flat arrays: out[i] = f(a[i], b[i]). Inputs may alias the output element for element.
internal import CFloat

/// out = a + b
@inline(never)
package func add(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count { out[i] = a[i] + b[i] }
}

/// out = a · factor
@inline(never)
package func scale(_ a: UnsafePointer<Float>, by factor: Float, into out: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count { out[i] = a[i] * factor }
}

/// out = a · b, element by element.
@inline(never)
package func multiplyElements(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int
) {
    for i in 0..<count { out[i] = a[i] * b[i] }
}

/// out += a
@inline(never)
package func accumulate(_ a: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count { out[i] += a[i] }
}

/// out += a · factor
@inline(never)
package func accumulate(
    _ a: UnsafePointer<Float>, times factor: Float, into out: UnsafeMutablePointer<Float>, count: Int
) {
    for i in 0..<count { out[i] = relaxed_multiply_add(a[i], factor, out[i]) }
}

/// Every row of `out [rows, columns]` becomes `row [columns]`.
@inline(never)
package func fillRows(_ row: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, rows: Int, columns: Int) {
    for r in 0..<rows {
        let target = out + r &* columns
        for c in 0..<columns { target[c] = row[c] }
    }
}

/// out[r, c] += row[c] for rows `stride` apart.
@inline(never)
package func addRow(
    _ row: UnsafePointer<Float>, to out: UnsafeMutablePointer<Float>, stride: Int, rows: Int, columns: Int
) {
    for r in 0..<rows {
        let target = out + r &* stride
        for c in 0..<columns { target[c] += row[c] }
    }
}

/// LayerScale and residual in one pass: out = x + gain ⊙ branch, rows of `columns`.
@inline(never)
package func addScaledRows(
    _ x: UnsafePointer<Float>, _ branch: UnsafePointer<Float>, gain: UnsafePointer<Float>,
    into out: UnsafeMutablePointer<Float>, rows: Int, columns: Int
) {
    for r in 0..<rows {
        let offset = r &* columns
        for c in 0..<columns {
            out[offset &+ c] = relaxed_multiply_add(branch[offset &+ c], gain[c], x[offset &+ c])
        }
    }
}

/// out = x ⊙ gain by rows of `columns`.
@inline(never)
package func multiplyRows(
    _ x: UnsafePointer<Float>, gain: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, rows: Int, columns: Int
) {
    for r in 0..<rows {
        let offset = r &* columns
        for c in 0..<columns { out[offset &+ c] = x[offset &+ c] * gain[c] }
    }
}

/// out = factor · sign(a − b), zero where they are equal.
@inline(never)
package func signOfDifferences(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, times factor: Float, into out: UnsafeMutablePointer<Float>, count: Int
) {
    for i in 0..<count {
        let difference = a[i] - b[i]
        out[i] = difference > 0 ? factor : (difference < 0 ? -factor : 0)
    }
}

// Softmax over rows.
internal import CFloat

/// Softmax of one row after scaling and a bias per column: x ← softmax(x · factor + bias). Returns log Σ exp of the row.
@inline(never)
package func softmaxRow(
    _ x: UnsafeMutablePointer<Float>, factor: Float, bias: UnsafePointer<Float>?, count: Int
) -> Float {
    if let bias {
        for i in 0..<count { x[i] = relaxed_multiply_add(x[i], factor, bias[i]) }
    } else {
        for i in 0..<count { x[i] = x[i] * factor }
    }
    var largest = -Float.greatestFiniteMagnitude
    for i in 0..<count { largest = relaxed_max(largest, x[i]) }
    for i in 0..<count { x[i] = exponential(x[i] - largest) }
    let total = sum(x, count: count)
    let inverse = 1 / total
    for i in 0..<count { x[i] *= inverse }
    return largest + logarithm(total)
}

/// log x of a positive number in double precision; not for loops.
@inline(__always)
func logarithm(_ x: Float) -> Float {
    Float(natural_log(Double(x)))
}

// Sums. The lanes a sum is spread over depend on its length only, so its bits do too.
internal import CFloat

/// Σ x
@inline(never)
package func sum(_ x: UnsafePointer<Float>, count: Int) -> Float {
    var total: Float = 0
    for i in 0..<count { total = relaxed_sum(total, x[i]) }
    return total
}

/// Σ a·b
@inline(never)
package func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int) -> Float {
    var total: Float = 0
    for i in 0..<count { total = relaxed_dot(a[i], b[i], total) }
    return total
}

/// Σ x² in double precision, in blocks of 4096 floats.
@inline(never)
package func sumOfSquares(_ x: UnsafePointer<Float>, count: Int) -> Double {
    var total = 0.0
    var start = 0
    while start < count {
        let length = count &- start < 4096 ? count &- start : 4096
        total += Double(dot(x + start, x + start, count: length))
        start &+= length
    }
    return total
}

/// Σ |a − b|
@inline(never)
package func sumOfAbsoluteDifferences(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int) -> Float {
    var total: Float = 0
    for i in 0..<count {
        let difference = a[i] - b[i]
        total = relaxed_sum(total, difference < 0 ? -difference : difference)
    }
    return total
}

/// out[c] += Σ_r x[r, c] for `x [rows, columns]`.
@inline(never)
package func accumulateColumnSums(_ x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, rows: Int, columns: Int) {
    for r in 0..<rows {
        let row = x + r &* columns
        for c in 0..<columns { out[c] += row[c] }
    }
}

/// out[c] += Σ_r a[r, c]·b[r, c]
@inline(never)
package func accumulateColumnDots(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, rows: Int, columns: Int
) {
    for r in 0..<rows {
        let offset = r &* columns
        for c in 0..<columns { out[c] = relaxed_multiply_add(a[offset &+ c], b[offset &+ c], out[c]) }
    }
}

/// Whether every number is finite.
@inline(never)
package func allFinite(_ x: UnsafePointer<Float>, count: Int) -> Bool {
    var bad: UInt32 = 0
    for i in 0..<count { bad |= (x[i].bitPattern & 0x7F80_0000) == 0x7F80_0000 ? 1 : 0 }
    return bad == 0
}

/// out[r] = Σ_c a[r, c]·b[r, c] for rows `stride` apart.
@inline(never)
package func rowDots(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, stride: Int, rows: Int, columns: Int
) {
    for r in 0..<rows {
        let offset = r &* stride
        var total: Float = 0
        for c in 0..<columns { total = relaxed_dot(a[offset &+ c], b[offset &+ c], total) }
        out[r] = total
    }
}

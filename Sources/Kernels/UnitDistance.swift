// Weighted squared distances between the directions of vectors, which lie in rows: u = x/(‖x‖ + ε).
internal import CFloat

/// Σ over rows and c of weights[c]·(a[c]/(‖a‖ + ε) − b[c]/(‖b‖ + ε))², rows added in order in double precision.
@inline(never)
package func unitDistance(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, weights: UnsafePointer<Float>, epsilon: Float, rows: Int, columns: Int
) -> Double {
    var total = 0.0
    for r in 0..<rows {
        let (first, second) = (a + r &* columns, b + r &* columns)
        let p = 1 / (relaxed_sqrt(dot(first, first, count: columns)) + epsilon)
        let q = 1 / (relaxed_sqrt(dot(second, second, count: columns)) + epsilon)
        var sum: Float = 0
        for c in 0..<columns {
            // Not fused, so that equal vectors have distance zero.
            let difference = first[c] * p - second[c] * q
            sum = relaxed_dot(weights[c] * difference, difference, sum)
        }
        total += Double(sum)
    }
    return total
}

/// factor · ∂(`unitDistance`)/∂a. Where a is zero, where no direction exists, it is zero.
@inline(never)
package func unitDistanceBackward(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, weights: UnsafePointer<Float>, epsilon: Float, factor: Float,
    into out: UnsafeMutablePointer<Float>, rows: Int, columns: Int
) {
    for r in 0..<rows {
        let (first, second, target) = (a + r &* columns, b + r &* columns, out + r &* columns)
        let norm = relaxed_sqrt(dot(first, first, count: columns))
        if norm == 0 {
            for c in 0..<columns { target[c] = 0 }
            continue
        }
        let p = 1 / (norm + epsilon)
        let q = 1 / (relaxed_sqrt(dot(second, second, count: columns)) + epsilon)
        var projection: Float = 0
        for c in 0..<columns {
            let slope = weights[c] * (first[c] * p - second[c] * q)
            target[c] = slope
            projection = relaxed_dot(slope, first[c], projection)
        }
        let (scale, pull) = (2 * factor * p, projection * p / norm)
        for c in 0..<columns { target[c] = scale * relaxed_multiply_add(-first[c], pull, target[c]) }
    }
}

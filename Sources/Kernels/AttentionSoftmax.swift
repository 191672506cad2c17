// The softmax of attention, on tiles of scores that are in cache. Exponents are to base 2: the callers' factors and biases contain log₂ e.
internal import CFloat

/// 2ˣ for x ≤ 127 by a degree-5 polynomial on [−½, ½]; relative error below 2e-7, exact for whole x, 2⁻¹²⁶ below −126.
@inline(__always)
func powerOfTwo(_ x: Float) -> Float {
    let clamped = x < -126 ? -126 : x
    // Adding 1.5·2²³ rounds to an integer, which then stands in the low bits.
    let shifted = clamped + 12_582_912
    let r = clamped - (shifted - 12_582_912)
    var p: Float = 1.326_472_7e-3
    p = relaxed_multiply_add(p, r, 9.671_513e-3)
    p = relaxed_multiply_add(p, r, 5.550_733_6e-2)
    p = relaxed_multiply_add(p, r, 2.402_224_2e-1)
    p = relaxed_multiply_add(p, r, 6.931_47e-1)
    p = relaxed_multiply_add(p, r, 1)
    return Float(bitPattern: p.bitPattern &+ (shifted.bitPattern &<< 23))
}

/// One step of a running softmax over the keys: x ← 2^(x · factor + bias − m), where m is the row's largest exponent so far.
///
/// - Parameters:
///   - x: a tile of scores `[rows, columns]`, contiguous.
///   - bias: one number a column, or nil.
///   - maxima: m of every row, updated; −greatestFiniteMagnitude before the first tile.
///   - sums: Σ 2^(… − m) of every row over all tiles, updated; 0 before the first tile.
///   - corrections: 2^(old m − new m), by which what was summed with the old m must be multiplied.
@inline(never)
package func runningSoftmaxTile(
    _ x: UnsafeMutablePointer<Float>, factor: Float, bias: UnsafePointer<Float>?, maxima: UnsafeMutablePointer<Float>,
    sums: UnsafeMutablePointer<Float>, corrections: UnsafeMutablePointer<Float>, rows: Int, columns: Int
) {
    for r in 0..<rows {
        let row = x + r &* columns
        let before = maxima[r]
        var largest = before
        var total: Float = 0
        if let bias {
            for c in 0..<columns { largest = relaxed_max(largest, relaxed_multiply_add(row[c], factor, bias[c])) }
            for c in 0..<columns {
                let power = powerOfTwo(relaxed_multiply_add(row[c], factor, bias[c]) - largest)
                row[c] = power
                total = relaxed_sum(total, power)
            }
        } else {
            for c in 0..<columns { largest = relaxed_max(largest, row[c] * factor) }
            for c in 0..<columns {
                let power = powerOfTwo(relaxed_multiply_add(row[c], factor, -largest))
                row[c] = power
                total = relaxed_sum(total, power)
            }
        }
        let correction = powerOfTwo(before - largest)
        corrections[r] = correction
        sums[r] = relaxed_multiply_add(sums[r], correction, total)
        maxima[r] = largest
    }
}

/// The step of `runningSoftmaxTile` where a query sees some of the keys only: the others' probabilities are exactly 0, whatever their scores are.
///
/// - Parameter visible: 0 for keys that a query does not see, rows `visibleStride` apart.
@inline(never)
package func maskedRunningSoftmaxTile(
    _ x: UnsafeMutablePointer<Float>, factor: Float, visible: UnsafePointer<UInt8>, visibleStride: Int,
    maxima: UnsafeMutablePointer<Float>, sums: UnsafeMutablePointer<Float>, corrections: UnsafeMutablePointer<Float>, rows: Int, columns: Int
) {
    let none = -Float.greatestFiniteMagnitude
    for r in 0..<rows {
        let row = x + r &* columns
        let sees = visible + r &* visibleStride
        let before = maxima[r]
        var largest = before
        var total: Float = 0
        for c in 0..<columns { largest = relaxed_max(largest, sees[c] != 0 ? row[c] * factor : none) }
        for c in 0..<columns {
            let power = sees[c] != 0 ? powerOfTwo(relaxed_multiply_add(row[c], factor, -largest)) : 0
            row[c] = power
            total = relaxed_sum(total, power)
        }
        let correction = powerOfTwo(before - largest)
        corrections[r] = correction
        sums[r] = relaxed_multiply_add(sums[r], correction, total)
        maxima[r] = largest
    }
}

/// Scores become probabilities again, and their gradients those of the scores: p = 2^(s · factor + bias − logSum), ds = p (dp − inner) · scale.
///
/// - Parameters:
///   - s: a tile of scores `[rows, columns]`, overwritten by p.
///   - dp: the gradients of the probabilities, overwritten by ds.
///   - logSums: log₂ of the row's sum over all keys.
///   - inner: Σ p·dp of the row over all keys.
@inline(never)
package func softmaxTileBackward(
    scores s: UnsafeMutablePointer<Float>, gradient dp: UnsafeMutablePointer<Float>, factor: Float, bias: UnsafePointer<Float>?,
    logSums: UnsafePointer<Float>, inner: UnsafePointer<Float>, scale: Float, rows: Int, columns: Int
) {
    for r in 0..<rows {
        let row = s + r &* columns
        let gradient = dp + r &* columns
        let logSum = logSums[r]
        let mean = inner[r]
        if let bias {
            for c in 0..<columns {
                let p = powerOfTwo(relaxed_multiply_add(row[c], factor, bias[c]) - logSum)
                row[c] = p
                gradient[c] = p * ((gradient[c] - mean) * scale)
            }
        } else {
            for c in 0..<columns {
                let p = powerOfTwo(relaxed_multiply_add(row[c], factor, -logSum))
                row[c] = p
                gradient[c] = p * ((gradient[c] - mean) * scale)
            }
        }
    }
}

/// `softmaxTileBackward` where a query sees some of the keys only: probabilities and gradients of the others are exactly 0.
@inline(never)
package func maskedSoftmaxTileBackward(
    scores s: UnsafeMutablePointer<Float>, gradient dp: UnsafeMutablePointer<Float>, factor: Float, visible: UnsafePointer<UInt8>,
    visibleStride: Int, logSums: UnsafePointer<Float>, inner: UnsafePointer<Float>, scale: Float, rows: Int, columns: Int
) {
    for r in 0..<rows {
        let row = s + r &* columns
        let gradient = dp + r &* columns
        let sees = visible + r &* visibleStride
        let logSum = logSums[r]
        let mean = inner[r]
        for c in 0..<columns {
            let p = powerOfTwo(relaxed_multiply_add(row[c], factor, -logSum))
            let share = p * ((gradient[c] - mean) * scale)
            row[c] = sees[c] != 0 ? p : 0
            gradient[c] = sees[c] != 0 ? share : 0
        }
    }
}

/// Every row of `out` (rows `stride` apart) times its number.
@inline(never)
package func scaleRows(
    _ out: UnsafeMutablePointer<Float>, by factors: UnsafePointer<Float>, stride: Int, rows: Int, columns: Int
) {
    for r in 0..<rows {
        let row = out + r &* stride
        let factor = factors[r]
        for c in 0..<columns { row[c] *= factor }
    }
}

/// Ends a running softmax: sums become their inverses, maxima log₂ Σ 2^exponent.
@inline(never)
package func finishRunningSoftmax(maxima: UnsafeMutablePointer<Float>, sums: UnsafeMutablePointer<Float>, rows: Int) {
    for r in 0..<rows {
        maxima[r] += Float(natural_log(Double(sums[r])) * 1.442_695_040_888_963_4)
        sums[r] = 1 / sums[r]
    }
}

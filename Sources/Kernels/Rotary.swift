// Rotary position embedding.
internal import CFloat

/// Every pair (x[2m], x[2m + 1]) rotated by the angle of m: (a, b) → (a cos − b sin, b cos + a sin).
///
/// - Parameter turn: 1, or −1 for the transpose, which is the way back of gradients.
@inline(never)
package func rotatePairs(
    _ x: UnsafePointer<Float>, cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>, turn: Float,
    into out: UnsafeMutablePointer<Float>, pairs: Int
) {
    for m in 0..<pairs {
        let (a, b) = (x[2 &* m], x[2 &* m &+ 1])
        let sine = turn * sines[m]
        out[2 &* m] = relaxed_multiply_add(a, cosines[m], -(b * sine))
        out[2 &* m &+ 1] = relaxed_multiply_add(b, cosines[m], a * sine)
    }
}

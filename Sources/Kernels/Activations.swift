// SiLU and exact GELU with their derivatives.
internal import CFloat

/// out = x · σ(x)
@inline(never)
package func silu(_ x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count { out[i] = x[i] * sigmoid(x[i]) }
}

/// dx = dy · σ(x)(1 + x(1 − σ(x)))
@inline(never)
package func siluBackward(
    _ x: UnsafePointer<Float>, gradient: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int
) {
    for i in 0..<count { out[i] = gradient[i] * siluDerivative(x[i]) }
}

@inline(__always)
func siluDerivative(_ x: Float) -> Float {
    let s = sigmoid(x)
    return s * relaxed_multiply_add(x, 1 - s, 1)
}

/// out = x · Φ(x), the exact (erf) GELU.
@inline(never)
package func gelu(_ x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count {
        out[i] = 0.5 * x[i] * (1 + errorFunction(x[i] * 0.707_106_78))
    }
}

/// dx = dy · (Φ(x) + x φ(x))
@inline(never)
package func geluBackward(
    _ x: UnsafePointer<Float>, gradient: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int
) {
    for i in 0..<count {
        let cumulative = 0.5 * (1 + errorFunction(x[i] * 0.707_106_78))
        let density = 0.398_942_28 * exponential(-0.5 * x[i] * x[i])
        out[i] = gradient[i] * relaxed_multiply_add(x[i], density, cumulative)
    }
}

/// The gradient dy ← dy · (Φ(x) + x φ(x)) and, from the same numbers, the activation x · Φ(x) again.
@inline(never)
package func geluBackwardInPlace(
    _ x: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>, activation: UnsafeMutablePointer<Float>, count: Int
) {
    for i in 0..<count {
        let cumulative = 0.5 * (1 + errorFunction(x[i] * 0.707_106_78))
        let density = 0.398_942_28 * exponential(-0.5 * x[i] * x[i])
        activation[i] = x[i] * cumulative
        gradient[i] *= relaxed_multiply_add(x[i], density, cumulative)
    }
}

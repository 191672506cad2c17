// The gate of a SwiGLU layer.
internal import CFloat

/// out = gate · σ(gate) · x
@inline(never)
package func gatedSiLU(
    gate: UnsafePointer<Float>, _ x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int
) {
    for i in 0..<count { out[i] = gate[i] * sigmoid(gate[i]) * x[i] }
}

/// The gradients of both factors of `gatedSiLU`.
@inline(never)
package func gatedSiLUBackward(
    gate: UnsafePointer<Float>, _ x: UnsafePointer<Float>, gradient: UnsafePointer<Float>, gateGradient: UnsafeMutablePointer<Float>,
    into out: UnsafeMutablePointer<Float>, count: Int
) {
    for i in 0..<count {
        gateGradient[i] = gradient[i] * x[i] * siluDerivative(gate[i])
        out[i] = gradient[i] * gate[i] * sigmoid(gate[i])
    }
}

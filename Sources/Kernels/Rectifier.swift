// The rectified linear unit (ReLU), in place, and its derivative from what it left.

/// x ← x where it is not below 0, else 0; what is not a number stays so.
@inline(never)
package func rectifyInPlace(_ x: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count { x[i] = x[i] < 0 ? 0 : x[i] }
}

/// out = dy where y > 0, else 0; y is the result of the rectifier.
@inline(never)
package func rectifierBackward(
    _ y: UnsafePointer<Float>, gradient: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int
) {
    for i in 0..<count { out[i] = y[i] > 0 ? gradient[i] : 0 }
}

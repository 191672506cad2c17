// Scalar functions that vectorise inside the kernels' loops. Not for use outside loops: libm is as good there.
internal import CFloat

/// eˣ by a degree-6 polynomial on [−ln2/2, ln2/2]; relative error below 2e-7, saturating outside [−87.3, 88].
@inline(__always)
func exponential(_ x: Float) -> Float {
    let clamped = x < -87.3 ? -87.3 : (x > 88 ? 88 : x)
    // Adding and subtracting 1.5·2²³ rounds to an integer, which then stands in the low bits.
    let shifted = clamped * 1.442_695_04 + 12_582_912
    let n = shifted - 12_582_912
    let r = relaxed_multiply_add(n, 2.121_944_4e-4, relaxed_multiply_add(n, -0.693_359_375, clamped))
    var p: Float = 1.987_569_1e-4
    p = relaxed_multiply_add(p, r, 1.398_199_95e-3)
    p = relaxed_multiply_add(p, r, 8.333_451_9e-3)
    p = relaxed_multiply_add(p, r, 4.166_579_6e-2)
    p = relaxed_multiply_add(p, r, 1.666_666_55e-1)
    p = relaxed_multiply_add(p, r, 0.5)
    p = relaxed_multiply_add(p * r, r, r) + 1
    let exponent = (Int32(bitPattern: shifted.bitPattern) &- 0x4B40_0000 &+ 127) &<< 23
    return p * Float(bitPattern: UInt32(bitPattern: exponent))
}

/// 1 / (1 + e⁻ˣ).
@inline(__always)
func sigmoid(_ x: Float) -> Float {
    1 / (1 + exponential(-x))
}

/// erf(x) by a rational function on [−4, 4]; absolute error below 4e-7.
@inline(__always)
func errorFunction(_ x: Float) -> Float {
    let c = x < -4 ? -4 : (x > 4 ? 4 : x)
    let s = c * c
    var p: Float = -2.726_142_258_013_06e-10
    p = relaxed_multiply_add(p, s, 2.770_681_424_959_02e-08)
    p = relaxed_multiply_add(p, s, -2.101_024_020_825_08e-06)
    p = relaxed_multiply_add(p, s, -5.692_506_394_623_46e-05)
    p = relaxed_multiply_add(p, s, -7.349_906_303_268_55e-04)
    p = relaxed_multiply_add(p, s, -2.954_599_808_540_25e-03)
    p = relaxed_multiply_add(p, s, -1.609_603_332_624_15e-02)
    var q: Float = -1.456_607_184_649_96e-05
    q = relaxed_multiply_add(q, s, -2.133_740_552_789_05e-04)
    q = relaxed_multiply_add(q, s, -1.682_826_974_382_03e-03)
    q = relaxed_multiply_add(q, s, -7.373_329_167_204_68e-03)
    q = relaxed_multiply_add(q, s, -1.426_473_905_141_89e-02)
    return c * p / q
}

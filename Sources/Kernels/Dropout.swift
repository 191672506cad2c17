// Random factors of dropout, and the residual sum they belong to.
internal import CFloat

/// The four words of a Philox4x32-10 counter on their way.
private struct Counter {
    var x0, x1, x2, x3: UInt32

    @inline(__always)
    mutating func mix(_ key0: UInt32, _ key1: UInt32) {
        let product0 = UInt64(0xD251_1F53) &* UInt64(x0)
        let product1 = UInt64(0xCD9E_8D57) &* UInt64(x2)
        x0 = UInt32(truncatingIfNeeded: product1 &>> 32) ^ x1 ^ key0
        x1 = UInt32(truncatingIfNeeded: product1)
        x2 = UInt32(truncatingIfNeeded: product0 &>> 32) ^ x3 ^ key1
        x3 = UInt32(truncatingIfNeeded: product0)
    }
}

/// Four factors for each of `draws` consecutive Philox4x32-10 counters (draw, c1, c2, c3): 0 where the word is below `threshold`, else `kept`.
/// In a form that vectorises over the counters; the words are those of `Philox.block` in TensorCore.
@inline(never)
package func dropoutFactors(
    key0: UInt32, key1: UInt32, firstDraw: UInt32, c1: UInt32, c2: UInt32, c3: UInt32, threshold: UInt32, kept: Float,
    into out: UnsafeMutablePointer<Float>, draws: Int
) {
    let (step0, step1) = (UInt32(0x9E37_79B9), UInt32(0xBB67_AE85))
    for draw in 0..<draws {
        var counter = Counter(x0: firstDraw &+ UInt32(truncatingIfNeeded: draw), x1: c1, x2: c2, x3: c3)
        counter.mix(key0, key1)
        counter.mix(key0 &+ step0, key1 &+ step1)
        counter.mix(key0 &+ 2 &* step0, key1 &+ 2 &* step1)
        counter.mix(key0 &+ 3 &* step0, key1 &+ 3 &* step1)
        counter.mix(key0 &+ 4 &* step0, key1 &+ 4 &* step1)
        counter.mix(key0 &+ 5 &* step0, key1 &+ 5 &* step1)
        counter.mix(key0 &+ 6 &* step0, key1 &+ 6 &* step1)
        counter.mix(key0 &+ 7 &* step0, key1 &+ 7 &* step1)
        counter.mix(key0 &+ 8 &* step0, key1 &+ 8 &* step1)
        counter.mix(key0 &+ 9 &* step0, key1 &+ 9 &* step1)
        let place = 4 &* draw
        out[place] = counter.x0 < threshold ? 0 : kept
        out[place &+ 1] = counter.x1 < threshold ? 0 : kept
        out[place &+ 2] = counter.x2 < threshold ? 0 : kept
        out[place &+ 3] = counter.x3 < threshold ? 0 : kept
    }
}

/// out = x + branch ⊙ factors
@inline(never)
package func addProducts(
    _ x: UnsafePointer<Float>, _ branch: UnsafePointer<Float>, _ factors: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int
) {
    for i in 0..<count { out[i] = relaxed_multiply_add(branch[i], factors[i], x[i]) }
}

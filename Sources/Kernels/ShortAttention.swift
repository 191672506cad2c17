// Attention over a handful of tokens, without matrix products. One sample a call: packed projections `[t, 3 · heads · width]` (queries, keys, values).
internal import CFloat

/// Σ a·b, for loops of this file.
@inline(__always)
private func inner(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Float {
    var total: Float = 0
    for c in 0..<count { total = relaxed_dot(a[c], b[c], total) }
    return total
}

/// out += factor · a
@inline(__always)
private func add(_ a: UnsafePointer<Float>, times factor: Float, to out: UnsafeMutablePointer<Float>, _ count: Int) {
    for c in 0..<count { out[c] = relaxed_multiply_add(a[c], factor, out[c]) }
}

/// The probabilities with which query `i` of a head attends to each of `t` keys, of which it sees one at least.
@inline(__always)
private func probabilities(
    _ query: UnsafePointer<Float>, keys: UnsafePointer<Float>, stride: Int, visible: UnsafePointer<UInt8>, scale: Float,
    into p: UnsafeMutablePointer<Float>, tokens t: Int, width: Int
) {
    var largest = -Float.greatestFiniteMagnitude
    for j in 0..<t where visible[j] != 0 {
        p[j] = inner(query, keys + j &* stride, width) * scale
        largest = relaxed_max(largest, p[j])
    }
    var total: Float = 0
    for j in 0..<t {
        p[j] = visible[j] != 0 ? exponential(p[j] - largest) : 0
        total += p[j]
    }
    for j in 0..<t { p[j] /= total }
}

/// softmax(q·kᵀ · scale)·v of every head.
///
/// - Parameters:
///   - visible: `[t, t]`, 0 for keys that a query does not see; they are not read.
///   - scratch: t floats.
@inline(never)
package func shortAttention(
    _ qkv: UnsafePointer<Float>, visible: UnsafePointer<UInt8>, scale: Float, into out: UnsafeMutablePointer<Float>,
    scratch p: UnsafeMutablePointer<Float>, tokens t: Int, heads: Int, width: Int
) {
    let (columns, stride) = (heads &* width, 3 &* heads &* width)
    for head in 0..<heads {
        let query = qkv + head &* width
        for i in 0..<t {
            let sees = visible + i &* t
            probabilities(query + i &* stride, keys: query + columns, stride: stride, visible: sees, scale: scale, into: p, tokens: t, width: width)
            let target = out + (i &* columns &+ head &* width)
            for c in 0..<width { target[c] = 0 }
            for j in 0..<t where sees[j] != 0 { add(query + (2 &* columns &+ j &* stride), times: p[j], to: target, width) }
        }
    }
}

/// The gradient of `shortAttention` with respect to the projections, from that of its output.
///
/// - Parameter scratch: 2t floats.
@inline(never)
package func shortAttentionBackward(
    _ qkv: UnsafePointer<Float>, gradient dy: UnsafePointer<Float>, visible: UnsafePointer<UInt8>, scale: Float,
    into share: UnsafeMutablePointer<Float>, scratch p: UnsafeMutablePointer<Float>, tokens t: Int, heads: Int, width: Int
) {
    let (columns, stride) = (heads &* width, 3 &* heads &* width)
    let ds = p + t
    for i in 0..<(t &* stride) { share[i] = 0 }
    for head in 0..<heads {
        let (query, target) = (qkv + head &* width, share + head &* width)
        for i in 0..<t {
            let sees = visible + i &* t
            let q = query + i &* stride
            let gradient = dy + (i &* columns &+ head &* width)
            probabilities(q, keys: query + columns, stride: stride, visible: sees, scale: scale, into: p, tokens: t, width: width)
            var mean: Float = 0
            for j in 0..<t where sees[j] != 0 {
                ds[j] = inner(gradient, query + (2 &* columns &+ j &* stride), width)
                mean = relaxed_multiply_add(p[j], ds[j], mean)
            }
            for j in 0..<t where sees[j] != 0 {
                let slope = p[j] * (ds[j] - mean) * scale
                let key = columns &+ j &* stride
                add(query + key, times: slope, to: target + i &* stride, width)
                add(q, times: slope, to: target + key, width)
                add(gradient, times: p[j], to: target + (key &+ columns), width)
            }
        }
    }
}

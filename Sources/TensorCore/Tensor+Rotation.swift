import Kernels

/// The heads in packed projections of attention: query heads, then key heads, then value heads, side by side. Where there are fewer key and
/// value heads, each serves `sharing` query heads in a row.
package struct ProjectionHeads: Sendable, Equatable {
    let queries: Int
    let keys: Int

    package init(queries: Int, keys: Int) {
        precondition(keys > 0 && queries % keys == 0, "\(queries) query heads do not share \(keys) key heads evenly")
        self.queries = queries
        self.keys = keys
    }

    /// Heads of the packed projections.
    var packed: Int { queries + 2 * keys }
    var sharing: Int { queries / keys }
}

extension Tensor {
    /// Every head of `[B, t, heads · headWidth]` rotated with its token; the transpose of that if `inverse`.
    package func rotatedHeads(by rotation: Rotation, inverse: Bool = false, pool: ThreadPool) -> Tensor {
        let width = 2 * rotation.pairs
        precondition(shape[2] % width == 0, "heads of \(width) channels in rows of \(shape)")
        let heads = shape[2] / width
        let out = Tensor(uninitialised: shape)
        forEachToken(of: rotation, pool) { token, cosines, sines in
            for head in 0..<heads {
                let start = (token * heads + head) * width
                rotatePairs(
                    pointer + start, cosines: cosines, sines: sines, turn: inverse ? -1 : 1, into: out.pointer + start,
                    pairs: rotation.pairs)
            }
        }
        return out
    }

    /// Packed projections `[B, t, (H + 2·Hkv)·w]` as attention wants them, `[B, t, 3·H·w]`: queries and keys rotated, keys and values repeated
    /// for the query heads that share them.
    package func rotatedProjections(_ heads: ProjectionHeads, by rotation: Rotation, pool: ThreadPool) -> Tensor {
        let width = 2 * rotation.pairs
        precondition(shape[2] == heads.packed * width, "projections of shape \(shape) for \(heads) of \(width) channels")
        let out = Tensor(uninitialised: [shape[0], shape[1], 3 * heads.queries * width])
        forEachToken(of: rotation, pool) { token, cosines, sines in
            let source = pointer + token * heads.packed * width
            let target = out.pointer + token * 3 * heads.queries * width
            for head in 0..<heads.queries {
                let shared = heads.queries + head / heads.sharing
                rotatePairs(
                    source + head * width, cosines: cosines, sines: sines, turn: 1, into: target + head * width, pairs: rotation.pairs)
                rotatePairs(
                    source + shared * width, cosines: cosines, sines: sines, turn: 1, into: target + (heads.queries + head) * width,
                    pairs: rotation.pairs)
                (target + (2 * heads.queries + head) * width).update(from: source + (shared + heads.keys) * width, count: width)
            }
        }
        return out
    }

    /// The gradient of `rotatedProjections`, from that of its result.
    package func rotatedProjectionsGradient(_ heads: ProjectionHeads, by rotation: Rotation, pool: ThreadPool) -> Tensor {
        let width = 2 * rotation.pairs
        let out = Tensor(uninitialised: [shape[0], shape[1], heads.packed * width])
        forEachToken(of: rotation, pool) { token, cosines, sines in
            let source = pointer + token * 3 * heads.queries * width
            let target = out.pointer + token * heads.packed * width
            for head in 0..<heads.queries {
                rotatePairs(
                    source + head * width, cosines: cosines, sines: sines, turn: -1, into: target + head * width, pairs: rotation.pairs)
            }
            Storage.withScratch(width) { sum in
                for shared in 0..<heads.keys {
                    for part in 1...2 {
                        let share = source + (part * heads.queries + shared * heads.sharing) * width
                        let place = target + (heads.queries + (part - 1) * heads.keys + shared) * width
                        sum.update(from: share, count: width)
                        for other in 1..<max(heads.sharing, 1) { accumulate(share + other * width, into: sum, count: width) }
                        if part == 1 {
                            rotatePairs(sum, cosines: cosines, sines: sines, turn: -1, into: place, pairs: rotation.pairs)
                        } else {
                            place.update(from: sum, count: width)
                        }
                    }
                }
            }
        }
        return out
    }

    /// Calls `body(token, cosines, sines)` for every token of `[B, t, …]`, on the pool.
    private func forEachToken(
        of rotation: Rotation, _ pool: ThreadPool, _ body: (Int, UnsafePointer<Float>, UnsafePointer<Float>) -> Void
    ) {
        let (batch, length) = (shape[0], shape[1])
        precondition(
            rotation.length == length && (rotation.samples == 1 || rotation.samples == batch),
            "rotations of \(rotation.samples) × \(rotation.length) tokens for \(shape)")
        let tokens = batch * length
        let block = 64
        pool.parallel((tokens + block - 1) / block) { index in
            for token in (index * block)..<min((index + 1) * block, tokens) {
                let row = (rotation.samples == 1 ? token % length : token) * rotation.pairs
                body(token, rotation.cosines.pointer + row, rotation.sines.pointer + row)
            }
        }
    }
}

import Kernels

/// Multi-head self-attention over a handful of tokens, e.g. the two parts of a code: many samples, for each of which matrix products would cost
/// more to call than to compute. The same as `Attention` with a mask.
package struct ShortAttention: Sendable {
    package let heads: Int
    package let headWidth: Int

    /// Tokens up to which this is what to use.
    package static let longest = 8
    /// Samples a tile.
    private static let samplesAtOnce = 16

    package init(heads: Int, headWidth: Int) {
        self.heads = heads
        self.headWidth = headWidth
    }

    private var width: Int { heads * headWidth }
    private var scale: Float { 1 / Float(headWidth).squareRoot() }

    /// The output `[B, t, heads · headWidth]` for packed projections `[B, t, 3 · heads · headWidth]`.
    package func forward(_ qkv: Tensor, mask: AttentionMask, pool: ThreadPool) -> Tensor {
        let tokens = qkv.shape[1]
        let out = Tensor(uninitialised: [qkv.shape[0], tokens, width])
        forEachSample(of: qkv, mask, pool) { sample, visible, scratch in
            shortAttention(
                qkv.pointer + sample * tokens * 3 * width, visible: visible, scale: scale, into: out.pointer + sample * tokens * width,
                scratch: scratch, tokens: tokens, heads: heads, width: headWidth)
        }
        return out
    }

    /// The gradient of the projections from that of the output.
    package func backward(_ dy: Tensor, _ qkv: Tensor, mask: AttentionMask, pool: ThreadPool) -> Tensor {
        let tokens = qkv.shape[1]
        precondition(dy.count * 3 == qkv.count, "gradient \(dy.shape) of attention on \(qkv.shape)")
        let share = Tensor(uninitialised: qkv.shape)
        forEachSample(of: qkv, mask, pool) { sample, visible, scratch in
            let start = sample * tokens * 3 * width
            shortAttentionBackward(
                qkv.pointer + start, gradient: dy.pointer + sample * tokens * width, visible: visible, scale: scale, into: share.pointer + start,
                scratch: scratch, tokens: tokens, heads: heads, width: headWidth)
        }
        return share
    }

    private func forEachSample(
        of qkv: Tensor, _ mask: AttentionMask, _ pool: ThreadPool, _ body: (Int, UnsafePointer<UInt8>, UnsafeMutablePointer<Float>) -> Void
    ) {
        let (batch, tokens) = (qkv.shape[0], qkv.shape[1])
        precondition(
            qkv.shape[2] == 3 * width && mask.fits(batch: batch, queries: tokens, keys: tokens),
            "attention of \(heads) heads on \(qkv.shape), mask of \(mask.queries) × \(mask.keys)")
        pool.parallel((batch + ShortAttention.samplesAtOnce - 1) / ShortAttention.samplesAtOnce) { tile in
            let first = tile * ShortAttention.samplesAtOnce
            Storage.withScratch(2 * tokens) { scratch in
                for sample in first..<min(first + ShortAttention.samplesAtOnce, batch) {
                    mask.withVisibility(image: sample, query: 0, key: 0) { body(sample, $0, scratch) }
                }
            }
        }
    }
}

import NeuralNet
import TensorCore

/// The keys, already rotated, and values of the tokens that some blocks have read, one sequence a sample, all of the same length
/// (stage-2 spec 1.8).
public final class KeyValueCache {
    /// One block's part: `[batch, capacity, keyValueHeads · headWidth]` both.
    struct Layer {
        let keys: Tensor
        let values: Tensor
    }

    let layers: [Layer]
    public let batch: Int
    /// Tokens that there is room for: what was asked, rounded up to a multiple of 8.
    public let capacity: Int
    /// Tokens read so far.
    public private(set) var length = 0

    /// - Parameter width: keyValueHeads · headWidth.
    init(layers: Int, batch: Int, capacity: Int, width: Int) {
        self.batch = batch
        self.capacity = (capacity + 7) / 8 * 8
        let shape: Shape = [batch, self.capacity, width]
        self.layers = (0..<layers).map { _ in Layer(keys: Tensor(uninitialised: shape), values: Tensor(uninitialised: shape)) }
    }

    /// Bytes of all keys and values that there is room for.
    public var bytes: Int { layers.reduce(0) { $0 + 2 * $1.keys.count * MemoryLayout<Float>.stride } }

    /// Forgets all tokens but the first `length`.
    public func truncate(to length: Int) {
        precondition(length >= 0 && length <= self.length, "\(length) of \(self.length) cached tokens")
        self.length = length
    }

    /// Takes over tokens that every layer has stored.
    func advance(by count: Int) {
        length += count
        precondition(length <= capacity, "\(length) tokens in a cache of \(capacity)")
    }

    /// Stores a layer's keys and values `[batch, t, width]` of the tokens after the last one.
    func store(keys: Tensor, values: Tensor, layer: Int) {
        let (count, width) = (keys.shape[1], keys.shape[2])
        precondition(keys.shape[0] == batch && length + count <= capacity, "\(keys.shape) after \(length) tokens in a cache of \(capacity)")
        for (source, target) in [(keys, layers[layer].keys), (values, layers[layer].values)] {
            for sample in 0..<batch {
                target.slice(from: (sample * capacity + length) * width, [count, width])
                    .copyInPlace(from: source.slice(from: sample * count * width, [count, width]))
            }
        }
    }
}

extension RotaryAttention {
    /// Attention of new tokens on those in the cache and on themselves, in order; stores their keys and values.
    func callAsFunction(_ x: Variable, rotation: Rotation, cache: KeyValueCache, layer: Int) -> Variable {
        let (graph, headWidth) = (x.graph, x.shape[2] / heads)
        let (count, before) = (x.shape[1], cache.length)
        let packed = projections(x)
        let (queries, shared) = (heads * headWidth, keyValueHeads * headWidth)
        cache.store(
            keys: packed.columns(queries..<(queries + shared)).rotatedHeads(by: rotation).value,
            values: packed.columns((queries + shared)..<(queries + 2 * shared)).value, layer: layer)
        let mask =
            count == 1
            ? nil
            : AttentionMask(
                (0..<(count * (before + count))).map { $0 % (before + count) <= before + $0 / (before + count) ? 1 : 0 }, queries: count,
                keys: before + count)
        func operand(_ tensor: Tensor) -> Attention.Operand {
            Attention.Operand(tensor, length: before + count, sharing: heads / keyValueHeads)
        }
        let result = Attention(heads: heads, headWidth: headWidth).forward(
            q: Attention.Operand(packed.columns(0..<queries).rotatedHeads(by: rotation).value), k: operand(cache.layers[layer].keys),
            v: operand(cache.layers[layer].values), keyBias: nil, mask: mask, pool: graph.pool)
        return output(graph.constant(result.output))
    }
}

extension GeneratorBlock {
    /// New tokens `[B, t, width]` after those in the cache.
    func callAsFunction(_ x: Variable, rotation: Rotation, cache: KeyValueCache, layer: Int) -> Variable {
        finished(x + attention(attentionNorm(x), rotation: rotation, cache: cache, layer: layer))
    }
}

import NeuralNet
import TensorCore

/// Reads a sequence piece by piece and keeps the keys and values of what it has read, so that a further token costs one position, not all of
/// them (stage-2 spec 1.8). Scores are those of a pass over the whole sequence. Without gradients.
///
/// ```swift
/// let decoder = CachedGenerator(generator, batch: classes.count, graph: Graph(weights: weights, pool: pool))
/// var states = decoder.read(prefixOf: classes)
/// for cell in 0..<cells {
///     let pre = draw(decoder.preScores(states))
///     let post = draw(decoder.postScores(pre: pre))
///     if cell + 1 < cells { states = decoder.read(pre: pre, post: post) }
/// }
/// ```
public final class CachedGenerator {
    public let generator: Generator
    let graph: Graph
    /// What the blocks over the sequence have read.
    public let cache: KeyValueCache
    /// The parts of the code at hand.
    private let intraCache: KeyValueCache

    /// - Parameters:
    ///   - batch: sequences; with guidance, twice the images.
    ///   - capacity: tokens of the longest sequence; nil for a prefix and all codes but the last.
    ///   - graph: must not record gradients.
    public init(_ generator: Generator, batch: Int, capacity: Int? = nil, graph: Graph) {
        let c = generator.configuration
        let width = c.keyValueHeads * c.headWidth
        self.generator = generator
        self.graph = graph
        cache = KeyValueCache(layers: c.layers, batch: batch, capacity: capacity ?? c.prefixSlots + c.cells - 1, width: width)
        intraCache = KeyValueCache(layers: c.intraLayers, batch: batch, capacity: 2, width: width)
    }

    /// Reads embedded tokens `[B, t, width]` and gives their states; what they see is the tokens before them. `rotation` is that of t tokens.
    public func read(_ tokens: Variable, rotation: Rotation) -> Variable {
        CachedGenerator.run(generator.spatialBlocks, on: tokens, rotation: rotation, cache: cache)
    }

    /// Reads the prefix (class and merge tokens) and gives the state that predicts the first code, `[B, 1, width]`.
    public func read(prefixOf classes: [Int32], mergeIDs: [Float] = []) -> Variable {
        let prefix = generator.prefix(classes: classes, mergeIDs: mergeIDs, in: graph)
        let states = read(prefix, rotation: generator.rotary.rotation(rows: Array(0..<prefix.shape[1])))
        return states.rows(from: prefix.shape[1] - 1, count: 1)
    }

    /// Reads one more code of every sequence in raster order and gives the state that predicts the next, `[B, 1, width]`.
    public func read(pre: [Int32], post: [Int32]) -> Variable {
        read(
            generator.tokens(pre: pre, post: post, batch: cache.batch, in: graph), rotation: generator.rotary.rotation(rows: [cache.length]))
    }

    /// The scores of the first part of the code that states `[B, 1, width]` predict: `[B, 2^preBits]`.
    public func preScores(_ states: Variable) -> Tensor {
        intraCache.truncate(to: 0)
        return scores(states, head: generator.preHead)
    }

    /// The scores of the second part, after the first was chosen: `[B, 2^postBits]`. Follows `preScores`.
    public func postScores(pre: [Int32]) -> Tensor {
        precondition(intraCache.length == 1, "the second part of a code comes after the first")
        return scores(generator.preTable(pre, batch: cache.batch, in: graph), head: generator.postHead)
    }

    private func scores(_ part: Variable, head: Linear) -> Tensor {
        let rotation = generator.intraTable.rotation(rows: [intraCache.length])
        let scores = head(generator.norm(CachedGenerator.run(generator.intraBlocks, on: part, rotation: rotation, cache: intraCache)))
        return scores.value.reshaped([scores.shape[0], scores.shape[2]])
    }

    private static func run(_ blocks: [GeneratorBlock], on tokens: Variable, rotation: Rotation, cache: KeyValueCache) -> Variable {
        var x = tokens
        for (layer, block) in blocks.enumerated() { x = block(x, rotation: rotation, cache: cache, layer: layer) }
        cache.advance(by: tokens.shape[1])
        return x
    }
}

import Kernels
import TensorCore

/// The keys, already rotated, and values of the tokens of one sequence that its later ones may see, for all blocks over the sequence.
///
/// Entries lie in blocks of 32, which are added when they are needed: `[layer][keys: head, channel, entry | values: head, entry, channel]`. So a
/// cache has the memory of the most entries it ever had, rounded up to whole blocks, and none is moved when it grows. Which token has which entry
/// is its user's business.
package final class SequenceCache {
    /// Entries of a block.
    package static let blockEntries = rowPanelWidth

    let layers: Int
    let heads: Int
    let headWidth: Int
    /// Channels of a value in memory: whole vectors.
    let valueWidth: Int
    private var blocks: [Tensor] = []
    private var addresses: [UnsafeMutablePointer<Float>] = []

    /// An empty cache for a generator.
    package init(_ configuration: GeneratorConfiguration) {
        layers = configuration.layers
        heads = configuration.keyValueHeads
        headWidth = configuration.headWidth
        valueWidth = (headWidth + 15) / 16 * 16
    }

    private var headKeys: Int { headWidth * SequenceCache.blockEntries }
    private var headValues: Int { valueWidth * SequenceCache.blockEntries }
    private var layerSize: Int { heads * (headKeys + headValues) }

    /// Entries there is memory for.
    package var capacity: Int { blocks.count * SequenceCache.blockEntries }
    /// Bytes of that memory.
    package var bytes: Int { blocks.reduce(0) { $0 + $1.count * MemoryLayout<Float>.stride } }

    /// Makes sure that there is memory for so many entries.
    package func reserve(_ entries: Int) {
        while capacity < entries {
            let block = Tensor(uninitialised: [layers, layerSize])
            blocks.append(block)
            addresses.append(block.pointer)
        }
    }

    /// The keys `[channel][32]` of a block.
    func keys(block: Int, layer: Int, head: Int) -> UnsafeMutablePointer<Float> { addresses[block] + layer * layerSize + head * headKeys }

    /// The values `[32][valueWidth]` of a block.
    func values(block: Int, layer: Int, head: Int) -> UnsafeMutablePointer<Float> {
        addresses[block] + layer * layerSize + heads * headKeys + head * headValues
    }

    /// Writes an entry of one head.
    func store(key: UnsafePointer<Float>, value: UnsafePointer<Float>, entry: Int, layer: Int, head: Int) {
        let (block, lane) = (entry / SequenceCache.blockEntries, entry % SequenceCache.blockEntries)
        let keys = keys(block: block, layer: layer, head: head) + lane
        for d in 0..<headWidth { keys[d * SequenceCache.blockEntries] = key[d] }
        let values = values(block: block, layer: layer, head: head) + lane * valueWidth
        values.update(from: value, count: headWidth)
        for d in headWidth..<valueWidth { values[d] = 0 }
    }

    /// Overwrites all entries from one on, as far as there is memory: to show that nobody reads them, or to have something to read.
    package func fill(from first: Int, with value: Float) {
        let entries = SequenceCache.blockEntries
        for entry in max(first, 0)..<max(capacity, first) {
            let (block, lane) = (entry / entries, entry % entries)
            if lane == 0 {
                // A whole block.
                blocks[block].fillInPlace(value)
            } else if entry - lane < first {
                for layer in 0..<layers {
                    for head in 0..<heads {
                        let (keys, values) = (keys(block: block, layer: layer, head: head), values(block: block, layer: layer, head: head))
                        for d in 0..<headWidth { keys[d * entries + lane] = value }
                        for d in 0..<valueWidth { values[lane * valueWidth + d] = value }
                    }
                }
            }
        }
    }
}

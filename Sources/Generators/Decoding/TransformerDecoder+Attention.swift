import Kernels
import TensorCore

extension TransformerDecoder {
    /// Stores the projected keys and values of new tokens, then attends from them to what each sees; reads `projected`, writes `attended`.
    ///
    /// All keys of a sequence are read before its values: blocks of a cache are passed from front to back.
    func attend(_ caches: [SequenceCache], _ tokens: [Token], layer: Int) {
        let heads = configuration.keyValueHeads
        // One sequence alone is shared out by heads.
        let groups = caches.count >= 8 ? 1 : min(heads, 4)
        pool.parallel(caches.count * groups) { task in
            let (sequence, group) = (task / groups, task % groups)
            let each = tokens.count / caches.count
            attend(
                caches[sequence], tokens[(sequence * each)..<((sequence + 1) * each)],
                heads: (heads * group / groups)..<(heads * (group + 1) / groups), layer: layer)
        }
    }

    private func attend(_ cache: SequenceCache, _ tokens: ArraySlice<Token>, heads: Range<Int>, layer: Int) {
        let (width, shared, sharing) = (configuration.headWidth, configuration.keyValueHeads, configuration.heads / configuration.keyValueHeads)
        let (keys, values) = (configuration.width, configuration.width + shared * width)
        let block = SequenceCache.blockEntries
        let longest = tokens.reduce(0) { max($0, $1.visible) }
        let blocks = (longest + block - 1) / block
        // For each token and query head: its query and its scores.
        let (queryWidth, scoreWidth) = ((width + 15) / 16 * 16, blocks * block)
        let slots = tokens.count * heads.count * sharing
        Storage.withScratch(slots * (queryWidth + scoreWidth + cache.valueWidth) + width) { [rows, rotary] scratch in
            let (scores, sums) = (scratch + slots * queryWidth, scratch + slots * (queryWidth + scoreWidth))
            let key = sums + slots * cache.valueWidth
            func slot(_ token: Int, _ head: Int, _ share: Int) -> Int {
                ((token - tokens.startIndex) * heads.count + head - heads.lowerBound) * sharing + share
            }
            for row in tokens.indices {
                let projected = rows.projected[row]
                for head in heads {
                    rotary.rotate(projected + keys + head * width, row: tokens[row].rotaryRow, into: key)
                    cache.store(key: key, value: projected + values + head * width, entry: tokens[row].entry, layer: layer, head: head)
                    for share in 0..<sharing {
                        rotary.rotate(
                            projected + (head * sharing + share) * width, row: tokens[row].rotaryRow,
                            into: scratch + slot(row, head, share) * queryWidth)
                    }
                }
            }
            func forEach(_ part: Int, _ body: (_ token: Int, _ head: Int, _ slot: Int) -> Void) {
                for head in heads {
                    for row in tokens.indices where tokens[row].visible > part * block {
                        for share in 0..<sharing { body(row, head, slot(row, head, share)) }
                    }
                }
            }
            for part in 0..<blocks {
                forEach(part) { _, head, slot in
                    keyBlockScores(
                        scratch + slot * queryWidth, keys: cache.keys(block: part, layer: layer, head: head), width: width,
                        into: scores + slot * scoreWidth + part * block)
                }
            }
            let scale = 1 / Float(width).squareRoot()
            forEach(0) { row, _, slot in
                _ = softmaxRow(scores + slot * scoreWidth, factor: scale, bias: nil, count: tokens[row].visible)
            }
            for part in 0..<blocks {
                forEach(part) { row, head, slot in
                    valueBlockSum(
                        scores + slot * scoreWidth + part * block, count: min(tokens[row].visible - part * block, block),
                        values: cache.values(block: part, layer: layer, head: head), width: cache.valueWidth,
                        into: sums + slot * cache.valueWidth, adds: part > 0)
                }
            }
            for row in tokens.indices {
                for head in heads {
                    for share in 0..<sharing {
                        (rows.attended[row] + (head * sharing + share) * width)
                            .update(from: sums + slot(row, head, share) * cache.valueWidth, count: width)
                    }
                }
            }
        }
    }
}

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
        let (width, sharing) = (configuration.headWidth, configuration.heads / configuration.keyValueHeads)
        let block = SequenceCache.blockEntries
        let longest = tokens.reduce(0) { max($0, $1.visible) }
        let blocks = (longest + block - 1) / block
        // The queries of one head of keys: the query heads that share it, for each token.
        let queries = tokens.count * sharing
        let (queryWidth, scoreWidth, valueWidth) = ((width + 15) / 16 * 16, blocks * block, cache.valueWidth)
        Storage.withScratch(heads.count * queries * (queryWidth + scoreWidth + valueWidth)) { [rows] scratch in
            let scores = scratch + heads.count * queries * queryWidth
            let sums = scores + heads.count * queries * scoreWidth
            for head in heads { store(cache, tokens, head: head, layer: layer, queries: scratch + (head - heads.lowerBound) * queries * queryWidth) }
            for part in 0..<blocks {
                for (i, head) in heads.enumerated() {
                    keyBlockScores(
                        scratch + i * queries * queryWidth, stride: queryWidth, rows: queries, keys: cache.keys(block: part, layer: layer, head: head),
                        width: width, into: scores + i * queries * scoreWidth + part * block, scoreStride: scoreWidth)
                }
            }
            // Scores of entries that a query does not see, whatever they are, stay behind those it does.
            let scale = 1 / Float(width).squareRoot()
            for query in 0..<(heads.count * queries) {
                let token = tokens[tokens.startIndex + query % queries / sharing]
                _ = softmaxRow(scores + query * scoreWidth, factor: scale, bias: nil, count: token.visible)
            }
            for part in 0..<blocks {
                let seen = tokens.map { min($0.visible - part * block, block) }
                let isWhole = seen.allSatisfy { $0 == block }
                for (i, head) in heads.enumerated() {
                    let values = cache.values(block: part, layer: layer, head: head)
                    func add(_ query: Int, _ count: Int, entries: Int) {
                        valueBlockSum(
                            scores + query * scoreWidth + part * block, stride: scoreWidth, rows: count, count: entries, values: values,
                            width: valueWidth, into: sums + query * valueWidth, outStride: valueWidth, adds: part > 0)
                    }
                    if isWhole {
                        add(i * queries, queries, entries: block)
                    } else {
                        for (token, entries) in seen.enumerated() where entries > 0 { add(i * queries + token * sharing, sharing, entries: entries) }
                    }
                }
            }
            for (i, head) in heads.enumerated() {
                for query in 0..<queries {
                    (rows.attended[tokens.startIndex + query / sharing] + (head * sharing + query % sharing) * width)
                        .update(from: sums + (i * queries + query) * valueWidth, count: width)
                }
            }
        }
    }

    /// Stores the keys and values of one head of new tokens, and turns their queries, into `queries`: those of a token one after the other.
    private func store(_ cache: SequenceCache, _ tokens: ArraySlice<Token>, head: Int, layer: Int, queries: UnsafeMutablePointer<Float>) {
        let (width, sharing) = (configuration.headWidth, configuration.heads / configuration.keyValueHeads)
        let (keys, values) = (configuration.width, configuration.width + configuration.keyValueHeads * width)
        let queryWidth = (width + 15) / 16 * 16
        Storage.withScratch(width) { key in
            for (i, row) in tokens.indices.enumerated() {
                let projected = rows.projected[row]
                rotary.rotate(projected + keys + head * width, row: tokens[row].rotaryRow, into: key)
                cache.store(key: key, value: projected + values + head * width, entry: tokens[row].entry, layer: layer, head: head)
                for share in 0..<sharing {
                    rotary.rotate(
                        projected + (head * sharing + share) * width, row: tokens[row].rotaryRow, into: queries + (i * sharing + share) * queryWidth)
                }
            }
        }
    }
}

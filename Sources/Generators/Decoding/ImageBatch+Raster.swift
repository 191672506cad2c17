/// LlamaGen and MergeAR: cell by cell (stage2 1.8, 2.5).
extension ImageBatch {
    /// - Parameters:
    ///   - mergeID: nil for models without merge token.
    ///   - window: W; with that of all cells every token stays in the cache.
    func raster(mergeID: Double?, window: Int, report: (Int) -> Void) throws(SamplingError) -> [[Int32]] {
        let (cells, prefix) = (configuration.cells, configuration.prefixSlots)
        let factors = TokenFactors(preBits: configuration.preBits, postBits: configuration.postBits)
        // Both branches of an image share its tokens, and so the entries these have.
        var entries = images.map { _ in CacheEntries(prefix: prefix, window: window) }
        var codes = [[Int32]](repeating: [], count: images.count)

        decoder.prepare(rows: caches.count * prefix)
        for sequence in caches.indices {
            decoder.embed(class: label(ofSequence: sequence), row: sequence * prefix)
            if let mergeID { decoder.embed(mergeID: mergeID, row: sequence * prefix + 1) }
        }
        read(
            caches.indices.flatMap { _ in (0..<prefix).map { .init(rotaryRow: $0, entry: $0, visible: $0 + 1) } },
            live: caches.indices.map { _ in prefix })
        for cell in 0..<cells {
            let each = cell == 0 ? prefix : 1
            let drawn = try draw(
                rows: { ($0 * each + each - 1)..<($0 * each + each) }, places: images.map { _ in [cell] }, decoded: cell)
            for image in images.indices { codes[image].append(factors.join(pre: drawn[image][0].pre, post: drawn[image][0].post)) }
            report(cell + 1)
            guard cell + 1 < cells else { break }

            endGuidance(before: cell + 1)
            let taken = images.indices.map { entries[$0].enter(codes[$0][cell]) }
            for sequence in caches.indices {
                let code = drawn[sequence % images.count][0]
                decoder.embed(pre: code.pre, post: code.post, row: sequence)
            }
            let live = caches.indices.map { entries[$0 % images.count].live }
            read(
                caches.indices.map { .init(rotaryRow: prefix + cell, entry: taken[$0 % images.count], visible: live[$0]) }, live: live)
        }
        return codes
    }
}

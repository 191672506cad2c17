/// RandAR: several slots at a time, in an order drawn for each image (stage2 3.3).
extension ImageBatch {
    /// Codes in slot order.
    /// - Parameters:
    ///   - counts: new tokens of each call.
    ///   - orders: one an image.
    func random(counts: [Int], orders: [SlotOrder], report: (Int) -> Void) throws(SamplingError) -> [[Int32]] {
        let total = counts.reduce(0, +)
        let side = try CanonicalSlots.gridSide(of: total)
        let factors = TokenFactors(preBits: configuration.preBits, postBits: configuration.postBits)
        let sequences = orders.map(RandomOrderSequence.init)
        let calls = sequences.map { $0.calls(counts: counts) }
        // By slot.
        var codes = images.map { _ in [(pre: Int, post: Int)](repeating: (0, 0), count: total) }

        for step in counts.indices {
            let (start, each) = (calls[0][step].start, calls[0][step].elements.count)
            endGuidance(before: calls[0][step].decoded)
            decoder.prepare(rows: caches.count * each)
            var tokens: [TransformerDecoder.Token] = []
            for sequence in caches.indices {
                let image = sequence % images.count
                for (i, element) in calls[image][step].elements.enumerated() {
                    let (row, angle) = (sequence * each + i, rotaryRow(of: element, side: side))
                    switch element {
                    case .classToken: decoder.embed(class: label(ofSequence: sequence), row: row)
                    case .query: decoder.embedInstruction(rotaryRow: angle, row: row)
                    case .token(let slot): decoder.embed(pre: codes[image][slot].pre, post: codes[image][slot].post, row: row)
                    }
                    tokens.append(.init(rotaryRow: angle, entry: start + i, visible: start + i + 1))
                }
            }
            read(tokens, live: caches.indices.map { _ in start + each })
            let slots = images.indices.map { Array(orders[$0].slots[calls[$0][step].turns]) }
            let outputs = calls[0][step].outputs
            let drawn = try draw(
                rows: { ($0 * each + outputs.lowerBound)..<($0 * each + outputs.upperBound) }, places: slots, decoded: calls[0][step].decoded)
            for image in images.indices {
                for (slot, code) in zip(slots[image], drawn[image]) { codes[image][slot] = code }
            }
            report(calls[0][step].turns.upperBound)
        }
        return codes.map { $0.map { factors.join(pre: $0.pre, post: $0.post) } }
    }

    /// The row of the rotary table of a slot on a grid of `side` × `side`.
    private func rotaryRow(of element: RandomOrderSequence.Element, side: Int) -> Int {
        switch element {
        case .classToken: 0
        case .query(let slot), .token(let slot): configuration.prefixSlots + slot / side * configuration.grid + slot % side
        }
    }
}

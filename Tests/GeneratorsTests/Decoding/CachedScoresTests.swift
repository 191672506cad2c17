import Generators
import NeuralNet
import TensorCore
import TestKit
import Testing

/// What is generated with a cache has the scores of a pass over the whole sequence (stage-2 spec 1.8, 2.6 I1, I2).
@Suite struct CachedScoresTests {
    /// P = 1, own and shared key heads, heads that are no whole vectors, both rotations of the prefix; guided or not.
    @Test(arguments: [(4, 16, false), (2, 16, false), (4, 8, true), (1, 12, false)])
    func rasterScoresAreThoseOfAFullPass(_ keyValueHeads: Int, _ headWidth: Int, _ keepsPrefix: Bool) throws {
        let model = DecodingModel {
            ($0.keyValueHeads, $0.width, $0.prefixRotation) = (keyValueHeads, 4 * headWidth, keepsPrefix ? .identity : .zero)
        }
        let codes = (0..<2).map { model.codes($0, distinct: 40) }
        try compare(model, codes, .raster, mergeIDs: [], masks: nil, scale: (1, 1))
        try compare(model, codes, .raster, mergeIDs: [], masks: nil, scale: (1.9, 2.5))
    }

    /// The compressed cache: windows from 1 to all cells, images of their own lengths, a merge id between two rows, guided or not.
    @Test(arguments: [1, 2, 3, 5, 16], [(1.0, 1.0), (1.5, 1.0), (1.0, 2.0)])
    func compressedScoresAreThoseOfAMaskedPass(_ window: Int, _ scale: (Double, Double)) throws {
        let model = DecodingModel { ($0.mergeIDs, $0.layers) = (4, 3) }
        let codes = [3, 9, 16].map { model.codes($0, distinct: $0) }
        let masks = codes.map { MergedAttention(prefix: 2, window: window, keep: Array(TokenGroups($0).keep.dropLast())) }
        try compare(
            model, codes, .merged(keptTokens: 9, mergeID: 1.25, window: window), mergeIDs: [1.25, 1.25, 1.25], masks: AttentionMask(masks), scale: scale)
    }

    private func compare(
        _ model: DecodingModel, _ codes: [[Int32]], _ order: GenerationRequest.Order, mergeIDs: [Float], masks: AttentionMask?, scale: (Double, Double)
    ) throws {
        let (generator, graph) = (model.generator, model.graph())
        let (pre, post) = model.parts(codes.flatMap { $0 })
        let classes = codes.indices.map { Int32(3 * $0 + 1) }
        func full(_ classes: [Int32]) -> Generator.Scores {
            generator(Generator.Images(classes: classes, pre: pre, post: post, mergeIDs: mergeIDs), mask: masks, in: graph).scores
        }
        let (conditional, null) = (full(classes), full(classes.map { _ in Int32(model.configuration.nullClass) }))
        let request = try GenerationRequest.test(classes, order, guidance: (.constant(scale.0), .constant(scale.1)))
        let record = try model.images(batch: codes.count).scores(request, of: codes)
        let cells = model.configuration.cells
        for image in codes.indices {
            for (part, scale, want) in [(0, scale.0, (conditional.pre, null.pre)), (1, scale.1, (conditional.post, null.post))] {
                func values(_ scores: Variable) -> [Float] {
                    let each = cells * scores.shape[2]
                    return Array(scores.value.elements[(image * each)..<((image + 1) * each)])
                }
                let wanted = Guidance.combined(conditional: values(want.0), null: values(want.1), scale: scale)
                let error = distance(record.scores(image: image, part: part, tokens: 0..<cells), wanted)
                #expect(error < 1e-4, "image \(image), part \(part): off by \(error)")
            }
        }
    }

    /// W of all cells, or codes that never repeat, keep everything: the bits of the uncompressed cache.
    @Test func nothingToCompressIsTheUncompressedCache() throws {
        let model = DecodingModel { $0.mergeIDs = 4 }
        let repeated = model.codes(0, distinct: 5)
        let distinct = model.configuration.cells
        let unique = (0..<distinct).map { Int32($0 * 3) }
        func scores(_ codes: [Int32], window: Int) throws -> [Float] {
            let request = try GenerationRequest.test([2], .merged(keptTokens: 16, mergeID: 0, window: window), guidance: (.constant(2), .constant(2)))
            let record = try model.images().scores(request, of: [codes])
            return [0, 1].flatMap { record.scores(image: 0, part: $0, tokens: 0..<distinct) }
        }
        let same = try scores(unique, window: 2) == scores(unique, window: 16)
        #expect(same)
        let (all, few) = (try scores(repeated, window: 16), try scores(repeated, window: 2))
        #expect(all != few)
        let beyond = try scores(repeated, window: 100) == all
        #expect(beyond)
    }

    /// RandAR on a grid smaller than the model's: sequentially, every query sees what a pass over the whole sequence shows it.
    @Test func randomOrderScoresAreThoseOfAFullPass() throws {
        let model = DecodingModel { $0.positionInstruction = true }
        let (count, side) = (9, 3)
        let slots = [5, 0, 8, 3, 1, 7, 2, 6, 4]
        let codes = Array(model.codes(1, distinct: 60)[..<count])
        let record = ScoreRecord()
        let factors = TokenFactors(preBits: 3, postBits: 3)
        let order = try SlotOrder(slots)
        let request = try GenerationRequest.test([6], .random(keptTokens: count, steps: 100))
        let got = try model.images().generate(request, order: { _, _ in order }) { image, token, part, logits in
            record.add(image: image, token: token, part: part, logits)
            let split = factors.split(codes[token])
            return part == 0 ? split.pre : split.post
        }
        #expect(got == [codes])

        let (generator, graph, width) = (model.generator, model.graph(), model.configuration.width)
        let cells = slots.map { $0 / side * model.configuration.grid + $0 % side }
        let (pre, post) = model.parts(slots.map { codes[$0] })
        let pairs = generator.positionInstructions(cells: [cells], in: graph).reshaped([count, 1, width])
            .followed(by: generator.tokens(pre: pre, post: post, batch: count, in: graph))
        let sequence = generator.prefix(classes: [6], in: graph).followed(by: pairs.reshaped([1, 2 * count, width]))
        let rotation = generator.rotary.rotation(rows: [0] + cells.flatMap { [$0 + 1, $0 + 1] })
        let states = generator.states(sequence, rotation: rotation, mask: .causal(1 + 2 * count))
        let predicting = states.rows(from: 1, count: 2 * count).reshaped([count, 2, width]).rows(from: 0, count: 1)
        let want = generator.scores(predicting.reshaped([1, count, width]), pre: pre)
        #expect(distance(record.scores(image: 0, part: 0, tokens: slots), want.pre.value.elements) < 1e-4)
        #expect(distance(record.scores(image: 0, part: 1, tokens: slots), want.post.value.elements) < 1e-4)
    }

    /// A sequence read in pieces of several tokens; entries of tokens of another place are overwritten, as RandAR's queries are.
    @Test func piecesMayBeReadAgain() {
        let model = DecodingModel()
        let (generator, graph, c) = (model.generator, model.graph(), model.configuration)
        let codes = [0, 1].map { model.parts(model.codes($0, distinct: 50)) }
        let inputs = { (part: (Int) -> [Int32]) in [0, 1].flatMap { part($0)[..<(c.cells - 1)] } }
        let sequence = generator.prefix(classes: [1, 7], in: graph)
            .followed(by: generator.tokens(pre: inputs { codes[$0].pre }, post: inputs { codes[$0].post }, batch: 2, in: graph))
        let want = generator.states(sequence, rotation: generator.rotary.rotation(rows: Array(0..<c.cells)), mask: .causal(c.cells))
        let decoder = TransformerDecoder(generator, weights: model.weights, pool: ThreadPool(threads: 2))
        let caches = [SequenceCache(c), SequenceCache(c)]
        for cache in caches { cache.reserve(c.cells) }
        /// Reads tokens into entries, and gives the largest difference of their states from the whole pass.
        func read(_ tokens: Range<Int>, into entries: Range<Int>) -> Float {
            decoder.prepare(rows: 2 * tokens.count)
            let pairs = [0, 1].flatMap { sample in tokens.map { (sample, $0) } }
            for (row, (sample, token)) in pairs.enumerated() {
                if token == 0 {
                    decoder.embed(class: sample == 0 ? 1 : 7, row: row)
                } else {
                    decoder.embed(pre: Int(codes[sample].pre[token - 1]), post: Int(codes[sample].post[token - 1]), row: row)
                }
            }
            let shift = entries.lowerBound - tokens.lowerBound
            decoder.read(caches, pairs.map { .init(rotaryRow: $0.1, entry: $0.1 + shift, visible: $0.1 + shift + 1) })
            let got = pairs.indices.flatMap { Array(UnsafeBufferPointer(start: decoder.state($0), count: c.width)) }
            return distance(got, want.rows(from: tokens.lowerBound, count: tokens.count).value.elements)
        }
        #expect(read(0..<5, into: 0..<5) < 1e-4)
        #expect(read(9..<12, into: 5..<8) > 1e-2)
        #expect(read(5..<12, into: 5..<12) < 1e-4)
        #expect(read(8..<c.cells, into: 8..<c.cells) < 1e-4)
    }
}

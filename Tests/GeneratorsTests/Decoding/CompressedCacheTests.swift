import Generators
import NeuralNet
import TensorCore
import TestKit
import Testing

/// The compressed cache is exact (stage-2 spec 2.6).
@Suite struct CompressedCacheTests {
    /// I5: the codes are those of greedy decoding that recomputes the whole masked pass for every code.
    @Test(arguments: [1, 2, 3])
    func greedyCodesAreThoseOfRecomputing(_ window: Int) throws {
        // Few codes, so that they repeat.
        let model = DecodingModel { ($0.mergeIDs, $0.preBits, $0.postBits) = (4, 1, 2) }
        let cells = model.configuration.cells
        let request = try GenerationRequest.test([4], .merged(keptTokens: 9, mergeID: 1, window: window))
        let got = try model.images().generate(request)[0]
        #expect(Set(got).count < cells)

        var codes: [Int32] = []
        let factors = TokenFactors(preBits: 1, postBits: 2)
        for cell in 0..<cells {
            // Codes not there yet are later than all that is looked at.
            let guess = codes + [Int32](repeating: 0, count: cells - cell)
            let mask = AttentionMask([MergedAttention(prefix: 2, window: window, keep: Array(TokenGroups(guess).keep.dropLast()))])
            func best(pre: Int32) -> (Int, Int) {
                var (first, second) = model.parts(guess)
                first[cell] = pre
                second[cell] = 0
                let scores = model.generator(
                    Generator.Images(classes: [4], pre: first, post: second, mergeIDs: [1]), mask: mask, in: model.graph()).scores
                func largest(_ scores: Variable) -> Int {
                    let values = scores.rows(from: cell, count: 1).value.elements
                    return values.indices.max { values[$0] < values[$1] } ?? 0
                }
                return (largest(scores.pre), largest(scores.post))
            }
            let pre = best(pre: 0).0
            codes.append(factors.join(pre: pre, post: best(pre: Int32(pre)).1))
        }
        #expect(got == codes)
    }

    /// I6: what lies in the memory of entries that are not in use, those of evicted tokens included, never matters.
    @Test func entriesOutOfUseAreNotRead() throws {
        let model = DecodingModel()
        let width = model.configuration.width
        func states(poisoned: Bool) -> [Float] {
            let decoder = TransformerDecoder(model.generator, weights: model.weights, pool: ThreadPool(threads: 2))
            let cache = SequenceCache(model.configuration)
            cache.reserve(64)
            if poisoned { cache.fill(from: 0, with: .nan) }
            var result: [Float] = []
            // Entries fill up past a block of the cache; then the last ones are given up, and one of them is used again.
            for step in 0..<40 {
                decoder.prepare(rows: 1)
                decoder.embed(pre: step % 8, post: step % 5, row: 0)
                decoder.read([cache], [.init(rotaryRow: 1 + step % 16, entry: step, visible: step + 1)])
                result += Array(UnsafeBufferPointer(start: decoder.state(0), count: width))
            }
            for (entry, visible) in [(33, 34), (7, 34), (34, 35)] {
                if poisoned { cache.fill(from: visible, with: .nan) }
                decoder.embed(pre: 3, post: entry % 8, row: 0)
                decoder.read([cache], [.init(rotaryRow: 4, entry: entry, visible: visible)])
                result += Array(UnsafeBufferPointer(start: decoder.state(0), count: width))
            }
            return result
        }
        let (clean, poisoned) = (states(poisoned: false), states(poisoned: true))
        #expect(clean.allSatisfy { $0.isFinite })
        let same = clean == poisoned
        #expect(same)
    }

    /// I6, end to end: the token that is evicted is overwritten in place, so its key and value are gone from the cache.
    @Test func cacheHoldsNoMoreThanDistinctCodesAndWindow() throws {
        let model = DecodingModel { ($0.mergeIDs, $0.grid) = (4, 12) }
        let codes = model.codes(0, distinct: 9)
        #expect(Set(codes).count == 9)
        let c = model.configuration
        let entry = 2 * c.width * c.layers * MemoryLayout<Float>.stride
        func use(window: Int) throws -> CacheUse {
            let images = model.images()
            _ = try images.scores(.test([1], .merged(keptTokens: 9, mergeID: 0, window: window)), of: [codes])
            return images.cacheUse
        }
        let (small, full) = (try use(window: 2), try use(window: 144))
        #expect(small.live <= (2 + 9 + 2) * entry && small.live >= (2 + 9) * entry)
        #expect(small.allocated == 32 * entry)
        // The last code is never read.
        #expect(full.live == (2 + 143) * entry && full.allocated == 160 * entry)
    }

    /// I9: in the masked pass an evicted key has no probability and gets no gradient.
    @Test func evictedKeysHaveNoProbabilityAndNoGradient() throws {
        let codes: [Int32] = [0, 1, 0, 0, 2, 1]
        let attention = MergedAttention(prefix: 2, window: 2, keep: Array(TokenGroups(codes).keep.dropLast()))
        let (length, width, heads) = (attention.length, 16, 2)
        let mask = AttentionMask([attention])
        let weights = randomTensor([1, length, 3 * width], key: "packed projections")
        func attended(_ packed: Tensor, _ graph: Graph) -> (Variable, Variable) {
            let input = graph.input(packed)
            return (input, input.selfAttention(heads: heads, keyBias: nil, mask: mask))
        }
        for query in attention.prefix..<length {
            let graph = Graph(weights: Tensor(zeros: [0]), gradients: Tensor(zeros: [0]), pool: ThreadPool(threads: 1))
            let (input, output) = attended(weights, graph)
            // The gradient of one query's output alone.
            let seed = Tensor(zeros: output.shape)
            seed.withElements { elements in for c in 0..<width { elements[query * width + c] = 1 + Float(c) } }
            graph.backward(from: output, seed: seed)
            let gradient = try #require(input.gradient).elements
            let want = Array(output.value.elements[(query * width)..<((query + 1) * width)])
            for key in 0..<length where key != query {
                let ofKey = gradient[(key * 3 * width + width)..<((key + 1) * 3 * width)]
                let isVisible = attention.isVisible(query: query, key: key)
                // A prefix has a key of its own here: every visible key gets some gradient.
                #expect(ofKey.contains { $0 != 0 } == isVisible, "query \(query), key \(key)")
                // A huge key and value change the output where they are seen, and not a bit where they are not.
                let changed = weights.copied()
                changed.withElements { for c in width..<(3 * width) { $0[key * 3 * width + c] = 1e4 } }
                let other = attended(changed, Graph(weights: Tensor(zeros: [0]), pool: ThreadPool(threads: 1))).1.value.elements
                #expect((Array(other[(query * width)..<((query + 1) * width)]) == want) != isVisible, "query \(query), key \(key)")
            }
        }
    }
}

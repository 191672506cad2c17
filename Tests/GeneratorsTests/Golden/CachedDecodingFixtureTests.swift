import Generators
import NeuralNet
import TensorCore
import TestKit
import Testing

/// Fixture 32: greedy decoding with the cache, unguided and guided.
@Suite(.enabled(if: Fixtures.exist("32_"), Fixtures.skipped))
struct CachedDecodingFixtureTests {
    @Test(arguments: try FixtureCase.all("32_") { $0.settings.group("model").integer("plain") == 0 && $0.settings.has("cfg_scales") })
    func matchesGoldenGreedyDecoding(_ fixture: FixtureCase) throws {
        let model = try GeneratorFixture(fixture)
        let (arrays, configuration) = (model.arrays, model.generator.configuration)
        let classes = try model.integers("decode/cls")
        for round in try arrays.children(of: "decode") where round != "cls" {
            let scale = try arrays.floats("decode/\(round)/scale")
            let isGuided = arrays.has("decode/\(round)/raw_logits_pre_cond_null")
            #expect(isGuided == (scale != [1, 1]), "\(round)")
            // With guidance the second half of the batch has no class; both halves go on with the same codes.
            let rows = isGuided ? classes + classes.map { _ in Int32(configuration.nullClass) } : classes
            let decoder = CachedGenerator(
                model.generator, batch: rows.count, graph: Graph(weights: model.weights, pool: ThreadPool(threads: 2)))
            func guided(_ scores: Tensor, by scale: Float) -> [[Float]] {
                let (values, width) = (scores.elements, scores.shape[1])
                return classes.indices.map { sample in
                    (0..<width).map { code in
                        let conditional = values[sample * width + code]
                        guard isGuided else { return conditional }
                        let free = values[(classes.count + sample) * width + code]
                        return free + scale * (conditional - free)
                    }
                }
            }
            func best(_ scores: [[Float]]) -> [Int32] {
                let codes = scores.map { row in Int32(row.indices.max { row[$0] < row[$1] } ?? 0) }
                return isGuided ? codes + codes : codes
            }
            var (pre, post) = ([[[Float]]](), [[[Float]]]())
            var (preCodes, postCodes) = ([[Int32]](), [[Int32]]())
            var states = decoder.read(prefixOf: rows)
            for cell in 0..<configuration.cells {
                pre.append(guided(decoder.preScores(states), by: scale[0]))
                preCodes.append(best(pre[cell]))
                post.append(guided(decoder.postScores(pre: preCodes[cell]), by: scale[1]))
                postCodes.append(best(post[cell]))
                if cell + 1 < configuration.cells { states = decoder.read(pre: preCodes[cell], post: postCodes[cell]) }
            }
            #expect(decoder.cache.length == configuration.prefixSlots + configuration.cells - 1)
            // Golden arrays are [sample, cell, …].
            func bySample<Element>(_ rows: [[Element]]) -> [Element] { classes.indices.flatMap { sample in rows.map { $0[sample] } } }
            #expect(bySample(preCodes).map(Int.init) == (try arrays.integers("decode/\(round)/tokens_pre")), "\(round)")
            #expect(bySample(postCodes).map(Int.init) == (try arrays.integers("decode/\(round)/tokens_post")), "\(round)")
            try arrays.expect(bySample(pre).flatMap { $0 }, near: "decode/\(round)/logits_pre")
            try arrays.expect(bySample(post).flatMap { $0 }, near: "decode/\(round)/logits_post")
        }
    }
}

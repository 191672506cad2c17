import Generators
import NeuralNet
import TensorCore
import TestKit
import Testing

/// A generator that keeps keys and values gives the scores of a pass over the whole sequence.
@Suite struct CachedGeneratorTests {
    private let pool = ThreadPool(threads: 2)

    private func model(keyValueHeads: Int, mergeIDs: Int) -> (Generator, Graph) {
        var configuration = GeneratorConfiguration.tiny
        (configuration.keyValueHeads, configuration.mergeIDs) = (keyValueHeads, mergeIDs)
        let (generator, layout) = Generator.build(configuration)
        // Larger than initial weights, so that attention is far from uniform.
        let weights = Tensor(uninitialised: [layout.count])
        for parameter in layout.parameters {
            let isGain = parameter.shape.rank == 1
            parameter.setOfficial(
                randomTensor(parameter.shape, key: parameter.name, scale: isGain ? 0.3 : 0.2).elements.map { isGain ? 1 + $0 : $0 }, in: weights)
        }
        return (generator, Graph(weights: weights, pool: pool))
    }

    private func codes(_ what: Int, _ count: Int) -> [Int32] {
        let random = Philox(seed: 2, domain: "codes")
        return (0..<count).map { Int32(random.integer(below: 8, sample: what, draw: $0)) }
    }

    private func distance(_ a: [Float], _ b: [Float]) -> Float {
        zip(a, b).reduce(a.count == b.count ? 0 : .infinity) { max($0, $1.0.isFinite && $1.1.isFinite ? abs($1.0 - $1.1) : .infinity) }
    }

    /// P = 1 and 2, own and shared key heads, guided batches (the same codes with and without a class).
    @Test(arguments: [(4, 0), (2, 0), (4, 3), (1, 3)])
    func cachedScoresAreThoseOfAFullPass(_ keyValueHeads: Int, _ mergeIDs: Int) {
        let (generator, graph) = model(keyValueHeads: keyValueHeads, mergeIDs: mergeIDs)
        let cells = generator.configuration.cells
        let (pre, post) = (codes(0, cells), codes(1, cells))
        let classes: [Int32] = [4, Int32(generator.configuration.nullClass)]
        let ids: [Float] = mergeIDs > 0 ? [1.25, 1.25] : []
        let full = generator(Generator.Images(classes: classes, pre: pre + pre, post: post + post, mergeIDs: ids), in: graph).scores
        let decoder = CachedGenerator(generator, batch: 2, graph: graph)
        var states = decoder.read(prefixOf: classes, mergeIDs: ids)
        for cell in 0..<cells {
            func want(_ scores: Variable) -> [Float] { scores.rows(from: cell, count: 1).value.elements }
            #expect(distance(decoder.preScores(states).elements, want(full.pre)) < 1e-4, "first part \(cell)")
            #expect(distance(decoder.postScores(pre: [pre[cell], pre[cell]]).elements, want(full.post)) < 1e-4, "second part \(cell)")
            if cell + 1 < cells { states = decoder.read(pre: [pre[cell], pre[cell]], post: [post[cell], post[cell]]) }
        }
    }

    /// A sequence read in pieces of several tokens, some of it read anew after it was forgotten.
    @Test func piecesMayBeReadAgain() {
        let (generator, graph) = model(keyValueHeads: 4, mergeIDs: 0)
        let cells = generator.configuration.cells
        let sequence = generator.prefix(classes: [1, 7], in: graph)
            .followed(by: generator.tokens(pre: codes(0, 2 * cells - 2), post: codes(1, 2 * cells - 2), batch: 2, in: graph))
        func rotation(_ range: Range<Int>) -> Rotation { generator.rotary.rotation(rows: Array(range)) }
        let want = generator.states(sequence, rotation: rotation(0..<cells), mask: .causal(cells)).value
        let decoder = CachedGenerator(generator, batch: 2, graph: graph)
        func read(_ range: Range<Int>) -> [Float] {
            decoder.read(sequence.rows(from: range.lowerBound, count: range.count), rotation: rotation(range)).value.elements
        }
        func wanted(_ range: Range<Int>) -> [Float] { graph.constant(want).rows(from: range.lowerBound, count: range.count).value.elements }
        #expect(distance(read(0..<5), wanted(0..<5)) < 1e-4)
        // Tokens of another place, which are forgotten again.
        _ = decoder.read(sequence.rows(from: 9, count: 3), rotation: rotation(9..<12))
        decoder.cache.truncate(to: 5)
        #expect(distance(read(5..<12), wanted(5..<12)) < 1e-4)
        decoder.cache.truncate(to: 8)
        #expect(distance(read(8..<cells), wanted(8..<cells)) < 1e-4)
        #expect(decoder.cache.capacity == 16 && decoder.cache.bytes == 2 * 2 * 2 * 16 * 64 * 4)
    }
}

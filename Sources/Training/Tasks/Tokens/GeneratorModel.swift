import Foundation
import Generators
import NeuralNet
import TensorCore

/// A generator in training: LlamaGen, MergeAR or RandAR (stage2 1–3).
package struct GeneratorModel: TokenModel {
    package let generator: Generator
    package let layout: ParameterLayout
    private let settings: RunConfiguration.Generator
    private let configuration: RunConfiguration
    private let factors: TokenFactors

    /// - Parameter configuration: of a generator, with what its token file says.
    package init(_ configuration: RunConfiguration) {
        self.configuration = configuration
        settings = configuration.generator
        (generator, layout) = Generator.build(configuration.generatorConfiguration)
        factors = TokenFactors(preBits: settings.preBits, postBits: settings.postBits)
    }

    /// Loss with smoothed labels; negative log-likelihood of a code without, in nats, of both parts together and of each, and in bits. MergeAR
    /// also says how many different codes an image has, and how many merged tokens share the code of another.
    package var termNames: [String] {
        ["loss", "nll", "nll_pre", "nll_post", "bits_per_token"] + (settings.kind == .mergear ? ["distinct_codes", "collision_rate"] : [])
    }

    package func loss(of records: [TokenRecord], samples: [Int], step: Int, in graph: Graph) -> (total: Variable, terms: [Float]) {
        let seed = UInt64(configuration.seed)
        let dropout = GeneratorDropout(generator.configuration.dropout, seed: seed, step: step, samples: samples)
        let pass: Generator.Pass
        var more: [Float] = []
        switch settings.kind {
        case .llamagen:
            pass = generator(images(records, codes: records.map(\.expandedCodes)), dropout: dropout, in: graph)
        case .mergear:
            let codes = records.map(\.expandedCodes)
            let groups = zip(records, codes).map { record, codes in
                TokenGroups(codes: codes.map(Int32.init(bitPattern:)), owners: record.owners.map(Int32.init), by: settings.maskGroups)
            }
            // The last code is never an input.
            let masks = groups.map {
                MergedAttention(prefix: generator.configuration.prefixSlots, window: settings.window, keep: Array($0.keep.dropLast()))
            }
            pass = generator(
                images(records, codes: codes, mergeIDs: records.map { configuration.mergeID(kept: $0.kept) }), mask: AttentionMask(masks),
                dropout: dropout, in: graph)
            let distinct = records.map { Set($0.codes).count }
            more = [
                Float(distinct.reduce(0, +)) / Float(records.count),
                zip(records, distinct).reduce(0) { $0 + Float($1.0.kept - $1.1) / Float($1.0.kept) } / Float(records.count),
            ]
        case .randar:
            let orders = samples.map { SlotOrder(count: generator.configuration.cells, seed: seed, step: step, image: $0) }
            pass = generator(images(records, codes: records.map(\.codes)), orders: orders, dropout: dropout, in: graph)
        }
        let nll = pass.loss.negativeLogLikelihood
        return (
            pass.loss.total,
            [pass.loss.total.value.scalar, Float(nll), Float(pass.loss.pre), Float(pass.loss.post), Float(nll / log(2))] + more
        )
    }

    private func images(_ records: [TokenRecord], codes: [[UInt32]], mergeIDs: [Float] = []) -> Generator.Images {
        let parts = codes.joined().map { factors.split(Int32(bitPattern: $0)) }
        return Generator.Images(
            classes: records.map { Int32($0.label) }, pre: parts.map { Int32($0.pre) }, post: parts.map { Int32($0.post) }, mergeIDs: mergeIDs)
    }
}

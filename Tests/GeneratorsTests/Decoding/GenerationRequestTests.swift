import Generators
import NeuralNet
import TensorCore
import TestKit
import Testing

@Suite struct GenerationRequestTests {
    @Test func wrongRequestsAreNamed() throws {
        let raster = DecodingModel()
        let merged = DecodingModel { $0.mergeIDs = 4 }
        let random = DecodingModel { $0.positionInstruction = true }
        func expect(_ error: SamplingError, _ model: DecodingModel, _ request: GenerationRequest) {
            #expect(throws: error) { try model.images().generate(request) }
        }
        expect(.classOutside(10, classes: 10), raster, try .test([3, 10], .raster))
        expect(.classOutside(-1, classes: 10), raster, try .test([-1], .raster))
        expect(.orderOfModel(asked: "merged", trained: "raster"), raster, try .test([3], .merged(keptTokens: 9, mergeID: 0)))
        expect(.orderOfModel(asked: "raster", trained: "merged"), merged, try .test([3], .raster))
        expect(.orderOfModel(asked: "raster", trained: "random"), random, try .test([3], .raster))
        expect(.orderOfModel(asked: "random", trained: "merged"), merged, try .test([3], .random(keptTokens: 9, steps: 3)))
        expect(.keptTokens(17, cells: 16), merged, try .test([3], .merged(keptTokens: 17, mergeID: 0)))
        expect(.keptTokens(0, cells: 16), merged, try .test([3], .merged(keptTokens: 0, mergeID: 0)))
        expect(.window(0), merged, try .test([3], .merged(keptTokens: 9, mergeID: 0, window: 0)))
        expect(.keptTokens(25, cells: 16), random, try .test([3], .random(keptTokens: 25, steps: 3)))
        expect(.notSquare(8), random, try .test([3], .random(keptTokens: 8, steps: 3)))
        expect(.decoding(tokens: 9, steps: 0), random, try .test([3], .random(keptTokens: 9, steps: 0)))
        expect(.guidanceScale(.infinity), raster, try .test([3], .raster, guidance: (.constant(1), .constant(.infinity))))
        #expect(throws: SamplingError.self) { try merged.images().generate(.test([3], .merged(keptTokens: 9, mergeID: .nan))) }
    }

    /// Weights that are no numbers, in any part of the model.
    @Test(arguments: ["spatial_blocks.1.attention.wqkv.weight", "factorized_blocks.0.feed_forward.w2.weight", "head.1.weight", "pre_emb.weight"])
    func unusableWeightsAreNamed(_ name: String) throws {
        let model = DecodingModel()
        let (_, layout) = Generator.build(model.configuration)
        let parameter = try #require(layout.parameter(named: name))
        parameter.setOfficial([Float](repeating: .nan, count: parameter.count), in: model.weights)
        #expect(throws: SamplingError.unusableLogits) {
            try model.images(batch: 2).generate(.test([1, 2], .raster, temperature: 1, guidance: (.constant(2), .constant(2))))
        }
    }

    /// Codes come in the order of the request, progress is told for all images, and nothing is asked for nothing.
    @Test func progressAndOrder() throws {
        let images = DecodingModel().images(batch: 2)
        var told: [(Int, Int)] = []
        let codes = try images.generate(.test([1, 2, 3], .raster, temperature: 1)) { told.append(($0, $1)) }
        #expect(codes.count == 3 && codes.allSatisfy { $0.count == 16 && $0.allSatisfy { (0..<64).contains($0) } })
        #expect(told.map(\.0) == (1...16).map { 2 * $0 } + (1...16).map { 32 + $0 } && told.allSatisfy { $0.1 == 48 })
        #expect(try images.generate(.test([], .raster)).isEmpty)
    }

    /// Guidance towards a class draws other codes than none, and both parts have a scale of their own.
    @Test func partsAreGuidedApart() throws {
        let images = DecodingModel().images()
        func codes(_ pre: Double, _ post: Double) throws -> [Int32] {
            try images.generate(.test([3], .raster, temperature: 1, guidance: (.constant(pre), .constant(post))))[0]
        }
        let all = try [codes(1, 1), codes(8, 1), codes(1, 8), codes(8, 8)]
        #expect(Set(all).count == 4)
        // The first part of the first code does not see the second scale.
        #expect(all[0][0] % 8 == all[2][0] % 8 && all[1][0] % 8 == all[3][0] % 8)
    }

    /// The quick way of drawing gives what the distribution gives.
    @Test(arguments: [(1.0, 0, 1.0), (0.0, 0, 1.0), (0.7, 0, 1.0), (1.0, 5, 1.0), (1.3, 5000, 1.0), (1.0, 0, 0.9), (0.9, 50, 0.8)])
    func quickDrawsAreThoseOfTheDistribution(_ temperature: Double, _ k: Int, _ p: Double) throws {
        let sampler = try TokenSampler(temperature: temperature, topK: k, topP: p)
        let draws = TokenDraws(seed: 3)
        for (row, count) in [1, 7, 64, 4096].enumerated() {
            var logits = randomTensor([count], key: "logits \(row)", scale: 6).elements
            if count > 8 { logits[3] = -.infinity }
            let distribution = try sampler.distribution(logits)
            let uniforms = (0..<50).map { draws.uniform(image: row, token: $0, subToken: 0) } + [0, 1 - 0x1p-53]
            let quick = try uniforms.map { u in try logits.withUnsafeBufferPointer { try sampler.token(of: $0, at: u) } }
            #expect(quick == uniforms.map(distribution.token))
        }
        for logits: [Float] in [[1, .nan], [.infinity, 0], [-.infinity, -.infinity], []] {
            #expect(throws: SamplingError.unusableLogits) { try logits.withUnsafeBufferPointer { try sampler.token(of: $0, at: 0.5) } }
        }
    }
}

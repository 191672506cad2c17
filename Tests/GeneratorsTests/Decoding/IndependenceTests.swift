import Generators
import NeuralNet
import TensorCore
import TestKit
import Testing

/// An image depends on its own number and class alone, to the bit (stage-2 spec 2.6 I7).
@Suite struct IndependenceTests {
    struct Setting: Sendable, CustomTestStringConvertible {
        let name: String
        let order: GenerationRequest.Order
        let guidance: GuidanceSchedule
        let change: @Sendable (inout GeneratorConfiguration) -> Void
        var testDescription: String { name }
    }

    static let settings = [
        Setting(name: "raster, guided throughout", order: .raster, guidance: .constant(1.9)) { _ in },
        Setting(name: "raster, guided for a while", order: .raster, guidance: .interval(2, through: 5)) { _ in },
        Setting(name: "raster, not guided", order: .raster, guidance: .constant(1)) { _ in },
        Setting(name: "merged", order: .merged(keptTokens: 9, mergeID: 1.5), guidance: .constant(1.5)) { ($0.mergeIDs, $0.preBits, $0.postBits) = (4, 1, 2) },
        Setting(name: "random", order: .random(keptTokens: 16, steps: 7), guidance: .linear(from: 1, to: 3)) { $0.positionInstruction = true },
        Setting(name: "random, nine slots", order: .random(keptTokens: 9, steps: 5, schedule: .arccos), guidance: .linear(from: 1, to: 3)) {
            $0.positionInstruction = true
        },
    ]

    private static let classes: [Int32] = [7, 0, 3, 3, 9, 5, 5, 1, 2, 8, 4, 6, 0, 1]
    private static let images = [40, 2, 7, 8, 11, 0, 1, 300, 12, 99, 5, 6, 13, 14]

    @Test(arguments: settings) func codesDoNotDependOnBatchThreadsOrNeighbours(_ setting: Setting) throws {
        let model = DecodingModel(setting.change)
        func codes(_ chosen: [Int], batch: Int, threads: Int) throws -> [[Int32]] {
            let request = try GenerationRequest.test(
                chosen.map { Self.classes[$0] }, images: chosen.map { Self.images[$0] }, setting.order, temperature: 1,
                guidance: (setting.guidance, setting.guidance))
            return try model.images(batch: batch, threads: threads).generate(request)
        }
        let all = Array(Self.images.indices)
        let alone = try all.map { try codes([$0], batch: 1, threads: 1)[0] }
        #expect(Set(alone).count == all.count)
        for (batch, threads) in [(1, 2), (3, 1), (5, 3), (14, 2)] {
            #expect(try codes(all, batch: batch, threads: threads) == alone, "\(batch) at a time, \(threads) threads")
        }
        #expect(try codes(all.reversed(), batch: 4, threads: 2) == alone.reversed())
    }

    /// Images with unlike numbers of duplicates in one batch: the bits of the scores, not only the codes, are those of each alone.
    @Test func raggedBatchesHaveTheBitsOfSingleImages() throws {
        let model = DecodingModel { $0.mergeIDs = 4 }
        let codes = [1, 4, 9, 16, 64].map { model.codes($0, distinct: $0) }
        let classes = codes.indices.map(Int32.init)
        func request(_ images: [Int]) throws -> GenerationRequest {
            try .test(
                images.map { classes[$0] }, images: images, .merged(keptTokens: 9, mergeID: 2, window: 2), guidance: (.constant(1.5), .constant(2)))
        }
        let together = try model.images(batch: 5).scores(request(Array(codes.indices)), of: codes)
        for image in codes.indices {
            let alone = try model.images(threads: 1).scores(request([image]), of: [codes[image]])
            for part in [0, 1] {
                let (a, b) = (together.scores(image: image, part: part, tokens: 0..<16), alone.scores(image: image, part: part, tokens: 0..<16))
                let same = a.map(\.bitPattern) == b.map(\.bitPattern)
                #expect(same, "image \(image), part \(part)")
            }
        }
    }
}

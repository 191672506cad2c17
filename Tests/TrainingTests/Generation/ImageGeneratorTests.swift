import Foundation
import Generators
import ImageData
import NeuralNet
import TensorCore
import Testing
import Training

/// Images of small random generators.
@Suite struct ImageGeneratorTests {
    typealias Kind = RunConfiguration.Generator.Kind
    typealias Sample = ImageGenerator.Sample

    private func images(
        _ samples: [Sample], _ generator: GeneratorCheckpoint, _ tokenizer: TokenizerCheckpoint, _ settings: GenerationSettings, batch: Int = 3,
        threads: Int = 1
    ) throws -> [Sample: ImageGenerator.Result] {
        var results: [ImageGenerator.Result] = []
        try ImageGenerator(generator, tokenizer: tokenizer, batch: batch, threads: threads).generate(samples, settings) { results.append($0) }
        #expect(results.map(\.sample) == samples, "handed over in their order")
        return Dictionary(uniqueKeysWithValues: results.map { ($0.sample, $0) })
    }

    @Test(arguments: Kind.allCases) func anImageIsItsOwn(_ kind: Kind) throws {
        try withTemporaryFolder { folder in
            let small = try SmallGenerator(folder: folder)
            let (generator, tokenizer) = (try small.generator(kind), try small.tokenizer())
            var settings = GenerationSettings()
            settings.pre.guidance = 2.5
            settings.seed = 7
            let samples = [(0, 0), (0, 1), (2, 0), (3, 4), (3, 1)].map { Sample(label: $0, index: $1) }
            let want = try images(samples, generator, tokenizer, settings)
            for (batch, threads, chosen) in [(1, 1, samples), (5, 2, samples), (2, 3, [samples[4], samples[2], samples[0]])] {
                let got = try images(chosen, generator, tokenizer, settings, batch: batch, threads: threads)
                let isSame = chosen.allSatisfy { got[$0]?.image == want[$0]?.image && got[$0]?.codes == want[$0]?.codes }
                #expect(isSame, "batch \(batch), \(threads) threads")
            }
            #expect(Set(want.values.map(\.codes)).count == samples.count, "every image is another one")
            settings.seed = 8
            let other = try images([samples[0]], generator, tokenizer, settings)
            #expect(other[samples[0]]?.codes != want[samples[0]]?.codes, "another seed")
            settings.seed = 7
            settings.pre.guidance = 1
            let unguided = try images([samples[0]], generator, tokenizer, settings)
            #expect(unguided[samples[0]]?.codes != want[samples[0]]?.codes, "other guidance")
        }
    }

    /// The picture of codes is what the tokenizer makes of their channels, each at its cell: in raster order its own, of RandAR the one that
    /// source recovery scores highest.
    @Test(arguments: Kind.allCases) func codesBecomeThePictureOfTheirChannels(_ kind: Kind) throws {
        try withTemporaryFolder { folder in
            let small = try SmallGenerator(folder: folder)
            let tokenizer = try small.tokenizer()
            let made = try images([Sample(label: 1, index: 2)], small.generator(kind), tokenizer, GenerationSettings())
            let result = try #require(made[Sample(label: 1, index: 2)])
            let count = kind == .randar ? 16 : 64
            #expect(result.codes.count == count)
            let graph = Graph(weights: tokenizer.weights, pool: ThreadPool(threads: 1))
            let channels = TokenFactors(preBits: 2, postBits: 3).channels(of: result.codes)
            let z = graph.constant(Tensor(channels, [1, count, 5]))
            var owners = Array(0..<64)
            if kind == .randar {
                let recovery = try #require(tokenizer.tokenizer.recovery)
                let scores = recovery(z).value.elements
                owners = owners.map { cell in (0..<count).max { scores[cell * count + $0] < scores[cell * count + $1] } ?? 0 }
                #expect(result.emptySlots == count - Set(owners).count)
            } else {
                #expect(result.emptySlots == nil)
            }
            let pixels = tokenizer.tokenizer.decode(z, owners: owners.map(Int32.init)).value.elements
            let want = pixels.map { UInt8(max(0, min(255, (127.5 * Double($0) + 128).rounded(.down)))) }
            let worst = zip(result.image.pixels, want).reduce(0) { max($0, abs(Int($1.0) - Int($1.1))) }
            // Float and double may round a value halfway between two levels apart.
            #expect(worst <= 1 && result.image.width == 16)
        }
    }

    /// Codes and finished images never become fewer, and all codes are made in the end.
    @Test func progressGoesOverAllBatches() throws {
        try withTemporaryFolder { folder in
            let small = try SmallGenerator(folder: folder)
            let images = try ImageGenerator(small.generator(.llamagen), tokenizer: small.tokenizer(), batch: 2, threads: 1)
            var reports: [(codes: Int, total: Int, images: Int)] = []
            var finished = 0
            try images.generate(
                (0..<3).map { Sample(label: 0, index: $0) }, GenerationSettings(),
                progress: { codes, total, images in
                    #expect(images == finished / 2 * 2, "images of batches that are done")
                    reports.append((codes, total, images))
                },
                receive: { _ in finished += 1 })
            #expect(reports.allSatisfy { $0.total == 3 * 64 })
            #expect(zip(reports, reports.dropFirst()).allSatisfy { $0.codes < $1.codes })
            #expect(reports.first?.codes == 2 && reports.last?.codes == 3 * 64 && finished == 3)
        }
    }

    /// Source recovery that was trained on its own says where RandAR's tokens belong; the codes are the same.
    @Test func otherSourceRecovery() throws {
        try withTemporaryFolder { folder in
            let small = try SmallGenerator(folder: folder)
            let (generator, tokenizer, recovery) = (try small.generator(.randar), try small.tokenizer(), try small.recovery())
            var own: ImageGenerator.Result?
            var other: ImageGenerator.Result?
            let samples = [Sample(label: 1, index: 2)]
            try ImageGenerator(generator, tokenizer: tokenizer, batch: 1, threads: 1).generate(samples, GenerationSettings()) { own = $0 }
            try ImageGenerator(generator, tokenizer: tokenizer, recovery: recovery, batch: 1, threads: 1)
                .generate(samples, GenerationSettings()) { other = $0 }
            let codes = try #require(other).codes
            #expect(codes == own?.codes && other?.image != own?.image)
            let pool = ThreadPool(threads: 1)
            let z = Tensor(TokenFactors(preBits: 2, postBits: 3).channels(of: codes), [1, 16, 5])
            let graph = Graph(weights: tokenizer.weights, pool: pool)
            let pixels = tokenizer.tokenizer.decode(graph.constant(z), owners: recovery.owners(of: z, pool: pool)).value
            let want = pixels.withElements { ImageTransform.image(from: UnsafeBufferPointer($0), width: 16, height: 16) }
            #expect(other?.image == want)

            let stranger = try small.recovery(tokenizer: "abc")
            #expect(
                throws: GenerationError.otherTokenizer(model: stranger.file, learnt: "abc", tokenizer: tokenizer.file, given: tokenizer.weightsDigest)
            ) { try ImageGenerator(generator, tokenizer: tokenizer, recovery: stranger, batch: 1, threads: 1) }
            #expect(throws: GenerationError.notForKind(setting: "--recovery", kind: .llamagen, of: "randar")) {
                try ImageGenerator(small.generator(.llamagen), tokenizer: tokenizer, recovery: recovery, batch: 1, threads: 1)
            }
        }
    }

    /// MergeAR's images depend on K, RandAR's on the number of steps.
    @Test func settingsOfAKindMatter() throws {
        try withTemporaryFolder { folder in
            let small = try SmallGenerator(folder: folder)
            let tokenizer = try small.tokenizer()
            let sample = Sample(label: 0, index: 0)
            func codes(_ kind: Kind, _ change: (inout GenerationSettings) -> Void) throws -> [Int32] {
                var settings = GenerationSettings()
                change(&settings)
                let made = try images([sample], small.generator(kind), tokenizer, settings)
                return try #require(made[sample]).codes
            }
            #expect(try codes(.mergear) { $0.keptTokens = 9 } == codes(.mergear) { _ in }, "the fewest is what is meant by nothing")
            #expect(try codes(.mergear) { $0.keptTokens = 9 } != codes(.mergear) { $0.keptTokens = 36 })
            #expect(try codes(.randar) { $0.steps = 4 } != codes(.randar) { $0.steps = 16 })
            #expect(try codes(.randar) { $0.parallelSchedule = .arccos } != codes(.randar) { _ in })
        }
    }

    @Test func whatDoesNotBelongTogetherIsRefused() throws {
        try withTemporaryFolder { folder in
            let small = try SmallGenerator(folder: folder)
            let tokenizer = try small.tokenizer()
            func refusal(_ generator: GeneratorCheckpoint) -> GenerationError? {
                do {
                    _ = try ImageGenerator(generator, tokenizer: tokenizer, batch: 1, threads: 1)
                    return nil
                } catch {
                    return error as? GenerationError
                }
            }
            #expect(refusal(try small.generator(.llamagen)) == nil)
            let wide = try small.generator(.llamagen) { $0.generator.postBits = 4 }
            #expect(refusal(wide) == .otherBits(generator: wide.file, bits: 6, tokenizer: tokenizer.file, tokenizerBits: 5))
            let large = try small.generator(.mergear) { $0.generator.grid = 7 }
            #expect(refusal(large) == .otherGrid(generator: large.file, grid: 7, tokenizer: tokenizer.file, tokenizerGrid: 8))
            let stranger = try small.generator(.randar) { $0.generator.tokenizer = "abc" }
            #expect(
                refusal(stranger)
                    == .otherTokenizer(model: stranger.file, learnt: "abc", tokenizer: tokenizer.file, given: tokenizer.weightsDigest))
        }
    }

    @Test func scoresThatAreNoNumbersEndTheWork() throws {
        try withTemporaryFolder { folder in
            let small = try SmallGenerator(folder: folder)
            let damaged = try small.generator(.llamagen, damage: true)
            #expect(throws: GenerationError.unusableLogits(generator: damaged.file)) {
                try images([Sample(label: 0, index: 0)], damaged, small.tokenizer(), GenerationSettings())
            }
        }
    }
}

import Generators
import NeuralNet
import TensorCore
import TestKit
import Testing

/// Fixtures 32 to 34: codes and guided scores of greedy generation.
@Suite(.enabled(if: Fixtures.exist("32_"), Fixtures.skipped))
struct DecodingFixtureTests {
    private func generator(_ model: GeneratorFixture, batch: Int = 1) -> ImageCodeGenerator {
        ImageCodeGenerator(model.generator, weights: model.weights, batch: batch, pool: ThreadPool(threads: 2))
    }

    /// Fixture 32: raster order, unguided and guided.
    @Test(arguments: try FixtureCase.all("32_") { $0.settings.group("model").integer("plain") == 0 && $0.settings.has("cfg_scales") })
    func rasterOrder(_ fixture: FixtureCase) throws {
        let model = try GeneratorFixture(fixture)
        let (arrays, cells) = (model.arrays, model.generator.configuration.cells)
        let classes = try model.integers("decode/cls")
        let rounds = try arrays.children(of: "decode").filter { $0 != "cls" }
        #expect(rounds.count == 2)
        for round in rounds {
            let scale = try arrays.floats("decode/\(round)/scale").map { try #require(Double("\($0)")) }
            #expect(arrays.has("decode/\(round)/raw_logits_pre_cond_null") == (scale != [1, 1]), "\(round)")
            let request = try GenerationRequest.test(classes, .raster, guidance: (.constant(scale[0]), .constant(scale[1])))
            let (codes, record) = try generator(model, batch: classes.count).recorded(request)
            #expect(codes.flatMap { $0 } == (try model.integers("decode/\(round)/joint")), "\(round)")
            func scores(_ part: Int) -> [Float] { classes.indices.flatMap { record.scores(image: $0, part: part, tokens: 0..<cells) } }
            try arrays.expect(scores(0), near: "decode/\(round)/logits_pre")
            try arrays.expect(scores(1), near: "decode/\(round)/logits_post")
        }
    }

    /// Fixture 33: the compressed cache with codes given, for every window.
    @Test(arguments: try FixtureCase.all("33_") { $0.settings.has("windows") && $0.settings.has("model") })
    func compressedCacheWithGivenCodes(_ fixture: FixtureCase) throws {
        let model = try GeneratorFixture(fixture)
        let (arrays, cells) = (model.arrays, model.generator.configuration.cells)
        let classes = try model.integers("inputs/cls")
        let all = try model.integers("inputs/codes")
        let codes = classes.indices.map { Array(all[($0 * cells)..<(($0 + 1) * cells)]) }
        for window in fixture.settings.integers("windows") {
            let images = generator(model, batch: classes.count)
            let request = try GenerationRequest.test(classes, .merged(keptTokens: 9, mergeID: 1, window: window))
            let record = try images.scores(request, of: codes)
            func scores(_ part: Int) -> [Float] { classes.indices.flatMap { record.scores(image: $0, part: part, tokens: 0..<cells) } }
            try arrays.expect(scores(0), near: "W\(window)/logits_pre")
            try arrays.expect(scores(1), near: "W\(window)/logits_post")
            // The last entries of all images together, at 2 · width floats a layer.
            let c = model.generator.configuration
            let entries = try classes.indices.map { Int(try arrays.scalar("W\(window)/sample\($0)/final_entries")) }.reduce(0, +)
            #expect(images.cacheUse.live >= entries * 2 * c.width * c.layers * 4, "W\(window)")
        }
    }

    /// Fixture 33: one image greedily with the compressed cache, unguided and guided.
    @Test(arguments: try FixtureCase.all("33_") { $0.settings.has("merge_id") && $0.settings.has("W") })
    func compressedCacheRunningFreely(_ fixture: FixtureCase) throws {
        let model = try GeneratorFixture(fixture)
        let (arrays, settings, c) = (model.arrays, fixture.settings, model.generator.configuration)
        for round in ["unguided", "guided"] {
            let scale = round == "guided" ? settings.doubles("scale") : [1, 1]
            let images = generator(model)
            let request = try GenerationRequest.test(
                [Int32(settings.integer("cls"))], .merged(keptTokens: 9, mergeID: settings.double("merge_id"), window: settings.integer("W")),
                guidance: (.constant(scale[0]), .constant(scale[1])))
            let (codes, record) = try images.recorded(request)
            #expect(codes[0] == (try model.integers("\(round)/joint")), "\(round)")
            try arrays.expect(record.scores(image: 0, part: 0, tokens: 0..<c.cells), near: "\(round)/logits_pre")
            try arrays.expect(record.scores(image: 0, part: 1, tokens: 0..<c.cells), near: "\(round)/logits_post")
            let most = try #require(try arrays.integers("\(round)/context_sizes").max())
            #expect(images.cacheUse.live == most * (round == "guided" ? 2 : 1) * 2 * c.width * c.layers * 4, "\(round)")
        }
    }

    /// Fixture 34: several slots at a time, both schedules, linear guidance.
    @Test(arguments: try FixtureCase.all("34_") { $0.settings.has("model") && $0.settings.group("model").integer("plain") == 0 })
    func parallelDecoding(_ fixture: FixtureCase) throws {
        let model = try GeneratorFixture(fixture)
        let (arrays, count) = (model.arrays, fixture.settings.integer("N"))
        let order = try SlotOrder(Array(try arrays.integers("inputs/order")[..<count]))
        let label = try model.integers("inputs/cls")[0]
        var schedules: Set<String> = []
        for round in try arrays.children(of: "decode") {
            let settings = try arrays.settings(of: "decode/\(round)")
            schedules.insert(settings.text("schedule"))
            let schedule = try #require(ParallelSchedule(rawValue: settings.text("schedule")))
            let guidance = GuidanceSchedule.linear(from: settings.double("s0"), to: settings.double("s1"))
            let request = try GenerationRequest.test(
                [label], .random(keptTokens: count, steps: settings.integer("T"), schedule: schedule), guidance: (guidance, guidance))
            let (codes, record) = try generator(model).recorded(request, order: { _, _ in order })
            let (pre, post) = (try arrays.integers("decode/\(round)/tokens_a_slot"), try arrays.integers("decode/\(round)/tokens_b_slot"))
            #expect(codes[0] == zip(pre, post).map { Int32($0 + $1 << model.generator.configuration.preBits) }, "\(round)")
            try arrays.expect(record.scores(image: 0, part: 0, tokens: order.slots), near: "decode/\(round)/logits_0")
            try arrays.expect(record.scores(image: 0, part: 1, tokens: order.slots), near: "decode/\(round)/logits_1")
        }
        #expect(schedules == ["randar", "arccos"])
    }
}

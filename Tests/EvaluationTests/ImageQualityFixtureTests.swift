import Evaluation
import TensorCore
import TestKit
import Testing

/// Fixture 40: PSNR, SSIM and the truncation to 8 bits; fixture 43: codebook statistics.
@Suite(.enabled(if: Fixtures.exist("40_"), Fixtures.skipped))
struct ImageQualityFixtureTests {
    private static func images(_ arrays: FixtureArrays, _ name: String) throws -> EightBitImages {
        let shape = try arrays.shape(name)
        return EightBitImages(count: shape[0], height: shape[1], width: shape[2], pixels: try arrays.integers(name).map { UInt8($0) })
    }

    @Test(arguments: try FixtureCase.all("40_") { $0.settings.has("ssim_mean") })
    func matchesGoldenQuality(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let (a, b) = (try ImageQualityFixtureTests.images(arrays, "inputs/a"), try ImageQualityFixtureTests.images(arrays, "inputs/b"))
        for (got, want) in zip(b.psnr(against: a), try arrays.floats("outputs/psnr")) {
            #expect(Float(got) == want || abs(got - Double(want)) < 1e-5, "PSNR \(got), want \(want)")
        }
        let ssim = b.ssim(against: a, pool: ThreadPool(threads: 1))
        for (got, want) in zip(ssim, try arrays.floats("outputs/ssim")) { #expect(abs(got - Double(want)) < 1e-6, "SSIM \(got), want \(want)") }
        #expect(ssim.count == fixture.settings.integer("n"))
        // The reference computes on levels/255 in float32, we on the levels: 1e-8 of the values.
        #expect(abs(ssim.reduce(0, +) / Double(ssim.count) - fixture.settings.double("ssim_mean")) < 3e-8)
        #expect(abs(b.pooledPSNR(against: a) - fixture.settings.double("psnr_batch")) < 1e-6)
    }

    @Test(arguments: try FixtureCase.all("40_") { !$0.settings.has("ssim_mean") })
    func truncatesAsTheOfficialEvaluation(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let images = try EightBitImages(truncating: arrays.map("inputs/x"))
        func stored(_ name: String) throws -> [Int] {
            channelsLast(try arrays.floats(name), try arrays.shape(name)).elements.map { Int($0) }
        }
        let (want, safe) = (try stored("outputs/truncated"), try stored("outputs/truncated_safe"))
        #expect(safe.contains(1) && want.count == images.pixels.count)
        let wrong = want.indices.filter { safe[$0] == 1 && Int(images.pixels[$0]) != want[$0] }
        #expect(wrong.isEmpty, "\(wrong.count) values differ")
    }

    @Test(.enabled(if: Fixtures.exist("43_"), Fixtures.skipped), arguments: try FixtureCase.all("43_") { $0.name.hasPrefix("usage") })
    func matchesGoldenCodebookStatistics(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        var usage = CodebookUsage(bits: fixture.settings.integer("bits"))
        usage.add(try arrays.integers("inputs/codes").map(Int32.init))
        #expect(usage.tokens == fixture.settings.integer("n"))
        #expect(usage.distinct == Int(try arrays.scalar("outputs/distinct")))
        try arrays.expect([Float(usage.usage)], near: "outputs/usage", factor: 1e-2)
        try arrays.expect([Float(usage.usageOfPossible)], near: "outputs/usage_capped", factor: 1e-2)
        try arrays.expect([Float(usage.perplexity)], near: "outputs/perplexity", factor: 1e-2)
        let nats = usage.entropyOfBits.map { Float($0 * 0.693_147_180_559_945_3) }
        try arrays.expect(nats, near: "outputs/bit_entropy", factor: 1e-2)
    }
}

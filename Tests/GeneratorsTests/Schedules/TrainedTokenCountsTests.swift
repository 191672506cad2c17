import Foundation
import Generators
import TestKit
import Testing

@Suite struct TrainedTokenCountsTests {
    /// The numbers printed in stage2 2.4.
    @Test func probabilitiesOfTheSpecification() throws {
        func near(_ got: some Sequence<Double>, _ want: [Double], _ tolerance: Double) -> Bool {
            zip(got, want).allSatisfy { abs($0.0 - $0.1) <= tolerance }
        }
        #expect(TrainedTokenCounts.gPlusR.counts == [144, 169, 196, 225, 256])
        #expect(near(TrainedTokenCounts.gPlusR.probabilities, [0.7466, 0.1318, 0.0486, 0.0373, 0.0358], 5e-5))
        #expect(abs(TrainedTokenCounts.gPlusR.mean - 156.9) < 0.05 && abs(TrainedTokenCounts.g.mean - 404.7) < 0.05)
        #expect(TrainedTokenCounts.g.counts == (16...32).map { $0 * $0 })
        #expect(near(TrainedTokenCounts.g.probabilities, [0.5233, 0.0924, 0.0340, 0.0262] + [Double](repeating: 0.0249, count: 13), 2e-4))
        let paper = try TrainedTokenCounts(smallest: 144, largest: 256, .eq15(rate: 1))
        #expect(near(paper.probabilities.reversed(), [0.636, 0.234, 0.086, 0.032, 0.012], 5e-4))
    }

    @Test func drawsByRunningSums() throws {
        let counts = try TrainedTokenCounts(smallest: 4, largest: 9, .eq15(rate: 1))  // 1 : e
        let share = 1 / (1 + 2.718_281_828_459_045)
        #expect(counts.count(at: 0) == 4 && counts.count(at: share - 1e-9) == 4 && counts.count(at: share + 1e-9) == 9)
        #expect(TrainedTokenCounts.g.count(at: 1 - 0x1p-53) == 1024)
    }

    /// 2000 draws, by sample and by step: each count as often as it should be, within five standard deviations.
    @Test func keyedDrawsFollowTheProbabilities() {
        let counts = TrainedTokenCounts.gPlusR
        let drawn = (0..<2000).map { counts.count(seed: 3, step: $0 / 4, sample: $0 % 4) }
        #expect(drawn == (0..<2000).reversed().map { counts.count(seed: 3, step: $0 / 4, sample: $0 % 4) }.reversed())
        for (count, probability) in zip(counts.counts, counts.probabilities) {
            let seen = Double(drawn.filter { $0 == count }.count)
            #expect(abs(seen - 2000 * probability) < 5 * (2000 * probability * (1 - probability)).squareRoot(), "\(count): \(seen)")
        }
    }

    @Test func mergeIDsAreLinearInTheRoot() {
        let counts = TrainedTokenCounts.gPlusR
        #expect(counts.counts.map(counts.mergeID) == [0, 1, 2, 3, 4])
        #expect(abs(counts.mergeID(of: 210) - (210.0.squareRoot() - 12)) < 1e-12)
        #expect(counts.mergeID(of: 9) == 0 && counts.mergeID(of: 1024) == 4)
        #expect(counts.row(of: 1.25) == InterpolatedRow(1.25, rows: 5) && counts.row(of: 1.25).share == 0.25)
        let last = counts.row(of: 4)
        #expect(last.lower == 4 && last.upper == 4 && last.share == 0)
        #expect(counts.row(of: 2.5).lower == 2 && counts.row(of: 2.5).upper == 3)
    }

    @Test func wrongBoundsAreNamed() {
        #expect(throws: SamplingError.keptTokenBounds(smallest: 150, largest: 256)) { try TrainedTokenCounts(smallest: 150, largest: 256) }
        #expect(throws: SamplingError.keptTokenBounds(smallest: 256, largest: 144)) { try TrainedTokenCounts(smallest: 256, largest: 144) }
        #expect(throws: SamplingError.self) { try TrainedTokenCounts(smallest: 0, largest: 144) }
        #expect(throws: SamplingError.rate(0)) { try TrainedTokenCounts(smallest: 144, largest: 256, .eq15(rate: 0)) }
    }

    private struct Sampler: Decodable {
        let K: [Int]
        let p: [Double]
        let expected_K: Double
        let eq15_lambda: Double
        let eq15_K: [Int]
        let eq15_p: [Double]
        let eq15_expected_K: Double
        let merge_id: [Int]
    }

    private struct Manifest: Decodable { let samplers: [String: Sampler] }

    /// Fixture 45's samplers.
    @Test(.enabled(if: Fixtures.exist("45_"), Fixtures.skipped), arguments: Fixtures.files("45_"))
    func matchesGoldenSamplers(_ name: String) throws {
        let data = try Data(contentsOf: Fixtures.folder.appendingPathComponent(name))
        let samplers = try JSONDecoder().decode(Manifest.self, from: data).samplers
        #expect(!samplers.isEmpty)
        for (tokenizer, want) in samplers {
            let code = try TrainedTokenCounts(smallest: want.K.min()!, largest: want.K.max()!)
            if tokenizer == "G" { #expect(code == .g) } else if tokenizer == "G+R" { #expect(code == .gPlusR) }
            #expect(code.counts == want.K && code.counts.map(code.mergeID) == want.merge_id.map(Double.init))
            #expect(zip(code.probabilities, want.p).allSatisfy { abs($0 - $1) < 1e-14 } && abs(code.mean - want.expected_K) < 1e-9)
            let paper = try TrainedTokenCounts(smallest: want.K.min()!, largest: want.K.max()!, .eq15(rate: want.eq15_lambda))
            #expect(paper.counts.reversed() == want.eq15_K)
            #expect(zip(paper.probabilities.reversed(), want.eq15_p).allSatisfy { abs($0 - $1) < 1e-14 })
            #expect(abs(paper.mean - want.eq15_expected_K) < 1e-9)
        }
    }

    /// Fixture 33: merge vectors at ids 0, ½, 1, … of a table.
    @Test(
        .enabled(if: Fixtures.exist("33_"), Fixtures.skipped),
        arguments: try FixtureCase.all("33_") { $0.settings.has("windows") && $0.settings.has("model") })
    func interpolatesTheMergeTable(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let table = try #require(try arrays.hashedTensors()["merge_emb.weight"])
        let width = table.shape[1]
        let steps = try arrays.shape("outputs/merge_vectors_half_steps")[0]
        let values = table.elements
        let vectors = (0..<steps).flatMap { step -> [Float] in
            let row = InterpolatedRow(Double(step) / 2, rows: table.shape[0])
            let share = Float(row.share)
            return (0..<width).map { (1 - share) * values[row.lower * width + $0] + share * values[row.upper * width + $0] }
        }
        try arrays.expect(vectors, near: "outputs/merge_vectors_half_steps", factor: 1e-2)
    }
}

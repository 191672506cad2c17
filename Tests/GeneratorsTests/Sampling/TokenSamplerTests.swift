import Generators
import TestKit
import Testing

@Suite struct TokenSamplerTests {
    @Test func equalLogitsSurviveTopK() throws {
        #expect(try TokenSampler(topK: 1).distribution([1, 3, 3, 0]).kept == [false, true, true, false])
        #expect(try TokenSampler(topK: 3).distribution([1, 3, 3, 0]).kept == [true, true, true, false])
        #expect(try TokenSampler(topK: 9).distribution([1, 3, 3, 0]).kept == [true, true, true, true])
    }

    /// Four quarters: what lies before the third is a half, which is not above a half; before the fourth it is.
    @Test func topPCutsBehindTheShareAndTheLowerIndexStays() throws {
        #expect(try TokenSampler(topP: 0.5).distribution([2, 2, 2, 2]).kept == [true, true, true, false])
        #expect(try TokenSampler(topP: 0.4999).distribution([2, 2, 2, 2]).kept == [true, true, false, false])
        #expect(try TokenSampler(topP: 1e-9).distribution([0, 5, 4]).kept == [false, true, false])
    }

    /// Top-p counts in the softmax of what top-k left. Weights 3, 2, 1: of the two that k keeps the first has 0.6, of all three 0.5.
    @Test func topPComesAfterTopK() throws {
        let logits: [Float] = [1.098_612_3, 0.693_147_2, 0]
        #expect(try TokenSampler(topP: 0.55).distribution(logits).kept == [true, true, false])
        #expect(try TokenSampler(topK: 2, topP: 0.55).distribution(logits).kept == [true, false, false])
    }

    @Test func temperature() throws {
        let logits: [Float] = [0.1, 0.4, 0.3]
        #expect(try TokenSampler(temperature: 0).distribution(logits).probabilities == [0, 1, 0])
        // Twice the logits at twice the temperature are the same distribution.
        let (a, b) = try (TokenSampler().distribution(logits), TokenSampler(temperature: 2).distribution(logits.map { $0 * 2 }))
        #expect(zip(a.probabilities, b.probabilities).allSatisfy { abs($0 - $1) < 1e-15 })
        #expect(a.mostLikely == 1)
    }

    @Test func drawsByRunningSums() throws {
        let quarters = try TokenSampler().distribution([1, 1, 1, 1])
        #expect([0, 0.2499, 0.25, 0.5, 0.7499, 0.999_999].map(quarters.token) == [0, 0, 1, 2, 2, 3])
        #expect(try TokenSampler(topK: 1).distribution([0, 0, 1]).token(at: 0) == 2)
    }

    /// Ten times a tenth is less than one in double: the last kept value, not the last.
    @Test func roundOffAtTheEndLeavesTheLastKept() throws {
        let tenths = try TokenSampler().distribution([Float](repeating: 0, count: 10) + [-.infinity])
        #expect((1 - 0x1p-53) >= tenths.probabilities.reduce(0, +))
        #expect(tenths.token(at: 1 - 0x1p-53) == 9)
    }

    @Test func wrongSettingsAreNamed() {
        #expect(throws: SamplingError.topP(0)) { try TokenSampler(topP: 0) }
        #expect(throws: SamplingError.topP(1.5)) { try TokenSampler(topP: 1.5) }
        #expect(throws: SamplingError.self) { try TokenSampler(topP: .nan) }
        #expect(throws: SamplingError.topK(-1)) { try TokenSampler(topK: -1) }
        #expect(throws: SamplingError.temperature(-0.1)) { try TokenSampler(temperature: -0.1) }
        #expect(throws: SamplingError.temperature(.infinity)) { try TokenSampler(temperature: .infinity) }
        #expect(throws: SamplingError.self) { try TokenSampler(temperature: .nan) }
    }

    @Test(arguments: [[1, .nan, 2], [1, .infinity], [-.infinity, -.infinity], []] as [[Float]])
    func unusableLogitsAreNamed(_ logits: [Float]) throws {
        let sampler = try TokenSampler()
        #expect(throws: SamplingError.unusableLogits) { try sampler.distribution(logits) }
    }

    /// Fixture 44: kept sets, probabilities, drawn indices. Where the reference says that round-off decides, nothing is compared.
    @Test(.enabled(if: Fixtures.exist("44_"), Fixtures.skipped), arguments: try FixtureCase.all("44_") { $0.settings.has("V") })
    func matchesGoldenDistributions(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let (rows, values) = (fixture.settings.integer("B"), fixture.settings.integer("V"))
        let logits = try arrays.floats("inputs/logits")
        let uniforms = try arrays.floats("inputs/u")
        let draws = uniforms.count / rows
        var compared = 0
        for setting in try arrays.children(of: "") where setting.hasPrefix("setting") {
            // The shortest decimal of the stored number is the number that was meant.
            let parameters = try arrays.floats("\(setting)/params").map { try #require(Double("\($0)")) }
            let sampler = try TokenSampler(temperature: parameters[0], topK: Int(parameters[1]), topP: parameters[2])
            let (kept, probabilities) = (try arrays.integers("\(setting)/kept"), try arrays.floats("\(setting)/probs"))
            let (indices, safe) = (try arrays.integers("\(setting)/index"), try arrays.integers("\(setting)/index_safe"))
            for row in 0..<rows where safe[(row * draws)..<((row + 1) * draws)].contains(1) {
                let range = (row * values)..<((row + 1) * values)
                let distribution = try sampler.distribution(Array(logits[range]))
                let sameKept = distribution.kept == kept[range].map { $0 == 1 }
                #expect(sameKept, "\(setting) keeps other values of row \(row)")
                let off = zip(distribution.probabilities, probabilities[range]).reduce(0.0) { max($0, abs($1.0 - Double($1.1))) }
                #expect(off < 1e-6, "\(setting) row \(row): a probability is off by \(off)")
                for draw in (row * draws)..<((row + 1) * draws) where safe[draw] == 1 {
                    #expect(distribution.token(at: Double(uniforms[draw])) == indices[draw], "\(setting) draw \(draw)")
                    compared += 1
                }
            }
        }
        #expect(compared > 50)
    }
}

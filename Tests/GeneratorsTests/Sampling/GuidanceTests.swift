import Generators
import TestKit
import Testing

@Suite struct GuidanceTests {
    private static func scales(_ schedule: GuidanceSchedule, of total: Int) -> [Double] {
        (0..<total).map { schedule.scale(decoded: $0, of: total) }
    }

    /// 0.1 + (0.3 − 0.1) is not 0.3 in float32.
    @Test func aScaleOfOneIsTheConditionalBranch() {
        #expect(Guidance.combined(conditional: [0.3, -7], null: [0.1, .nan], scale: 1) == [0.3, -7])
        #expect(Guidance.combined(conditional: [3, 5], null: [1, 9], scale: 2) == [5, 1])
        #expect(Guidance.combined(conditional: [3, 5], null: [1, 9], scale: 0) == [1, 9])
    }

    /// The index counts the steps after the prefill: tokens 0, 1 and 2 have none, 0 and 1.
    @Test func intervalGuidesTheFirstTokenAlways() {
        #expect(Self.scales(.interval(3, through: 1), of: 5) == [3, 3, 3, 1, 1])
        #expect(Self.scales(.interval(3, through: -1), of: 3) == [3, 1, 1])
    }

    @Test func courses() {
        #expect(Self.scales(.constant(1.5), of: 3) == [1.5, 1.5, 1.5])
        #expect(Self.scales(.linear(from: 1, to: 3), of: 4) == [1, 1.5, 2, 2.5])
        #expect(Self.scales(.power(from: 1, to: 3, exponent: 2), of: 4) == [1, 1.125, 1.5, 2.125])
        #expect(zip(Self.scales(.cosine(from: 1, to: 3), of: 2), [1, 2]).allSatisfy { abs($0 - $1) < 1e-12 })
        let late = GuidanceSchedule.cosine(from: 1, to: 3).scale(decoded: 2, of: 3)
        #expect(abs(late - 2.5) < 1e-12)  // (1 − cos 120°)/2 = 3/4
    }

    @Test func whetherTheNullBranchRuns() {
        #expect(!GuidanceSchedule.constant(1).guides(anyOf: 4) && GuidanceSchedule.constant(0.5).guides(anyOf: 4))
        #expect(!GuidanceSchedule.linear(from: 1, to: 2).guides(anyOf: 1) && GuidanceSchedule.linear(from: 1, to: 2).guides(anyOf: 2))
        #expect(GuidanceSchedule.interval(2, through: -1).guides(anyOf: 4))
    }

    @Test func wrongScalesAreNamed() {
        #expect(throws: SamplingError.guidanceScale(.infinity)) { try GuidanceSchedule.linear(from: 1, to: .infinity).validate() }
        #expect(throws: SamplingError.guidanceExponent(0)) { try GuidanceSchedule.power(from: 1, to: 2, exponent: 0).validate() }
        #expect(throws: Never.self) { try GuidanceSchedule.interval(2, through: 3).validate() }
    }

    /// Fixture 44: guided logits for several scales, and linear schedules named `linear_<from>_to_<to>_N<total>`.
    @Test(.enabled(if: Fixtures.exist("44_"), Fixtures.skipped), arguments: try FixtureCase.all("44_") { $0.settings.has("scales") })
    func matchesGoldenGuidance(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let (conditional, null) = (try arrays.floats("inputs/cond"), try arrays.floats("inputs/null"))
        let guided = fixture.settings.doubles("scales").flatMap { Guidance.combined(conditional: conditional, null: null, scale: $0) }
        try arrays.expect(guided, near: "outputs/guided", factor: 0.1)
        let schedules = try arrays.children(of: "outputs").filter { $0.hasPrefix("linear") }
        #expect(!schedules.isEmpty)
        for name in schedules {
            let words = name.split(separator: "_")
            let (from, to) = (try #require(Double(words[1])), try #require(Double(words[3])))
            let total = try #require(Int(words[4].dropFirst()))
            try arrays.expect(
                Self.scales(.linear(from: from, to: to), of: total).map(Float.init), near: "outputs/\(name)", factor: 1e-2)
        }
    }
}

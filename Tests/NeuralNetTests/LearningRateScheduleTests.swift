import NeuralNet
import TestKit
import Testing

@Suite struct LearningRateScheduleTests {
    @Test func dropsAreReachedOnce() {
        let schedule = LearningRateSchedule(.steps(at: [10, 20], factor: 0.1), warmUp: 4)
        #expect((0..<4).map(schedule.factor) == [0, 0.25, 0.5, 0.75])
        #expect((4..<10).allSatisfy { schedule.factor(step: $0) == 1 } && (10..<20).allSatisfy { schedule.factor(step: $0) == 0.1 })
        #expect(abs(schedule.factor(step: 20) - 0.01) < 1e-15)
    }

    /// Half way, and beyond the end.
    @Test func cosine() {
        let schedule = LearningRateSchedule(.cosine(end: 110, minimum: 0.02), warmUp: 10)
        #expect(schedule.factor(step: 10) == 1 && abs(schedule.factor(step: 60) - 0.5) < 1e-12)
        #expect([110, 111, 1_000_000].allSatisfy { schedule.factor(step: $0) == 0.02 })
    }
}

/// Fixture 12's curves; each one's name says what it is: `cosine_w10_200`, `…_min01`, `linear_warmup_25`, `step_G_100_drops_90_100`.
@Suite(.enabled(if: Fixtures.exist("12_"), Fixtures.skipped))
struct LearningRateScheduleFixtureTests {
    @Test(arguments: try FixtureCase.all("12_") { $0.name == "schedules" })
    func matchesGoldenCurves(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        var compared = 0
        for name in try arrays.children(of: "") where name != "config" {
            let words = name.split(separator: "_")
            let numbers = words.compactMap { Int($0) }
            let (schedule, scale): (LearningRateSchedule, Float)
            switch words[0] {
            case "cosine":
                let warmUp = try #require(Int(words[1].dropFirst()))
                let minimum = words.last == "min01" ? 0.01 : 0
                (schedule, scale) = (LearningRateSchedule(.cosine(end: numbers[0], minimum: minimum), warmUp: warmUp), 1)
            case "linear":
                (schedule, scale) = (LearningRateSchedule(.constant, warmUp: numbers[0]), 1)
            default:
                (schedule, scale) = (LearningRateSchedule(.steps(at: Array(numbers.dropFirst()), factor: 0.1)), 1e-4)
            }
            for (step, want) in try arrays.floats(name).enumerated() {
                let got = Float(schedule.factor(step: step)) * scale
                #expect(abs(got - want) <= 1e-6 * max(scale, abs(want)), "\(name) at \(step): \(got), golden \(want)")
            }
            compared += 1
        }
        #expect(compared > 3)
    }
}

import Foundation
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

    /// 10 steps from 0.005, 1 for 5 of the next 100, then down to 0.1 at step 110, the last of 111.
    @Test func warmUpHoldLinear() {
        let schedule = LearningRateSchedule.warmUpHoldLinear(warmUp: 10, steps: 111)
        #expect(schedule.factor(step: 0) == 0.005 && abs(schedule.factor(step: 5) - 0.5025) < 1e-15)
        #expect((10...15).allSatisfy { abs(schedule.factor(step: $0) - 1) < 1e-12 } && schedule.factor(step: 16) < 1)
        #expect(abs(schedule.factor(step: 34) - (0.1 + 0.9 * 0.8)) < 1e-12)  // a fifth of the way down
        #expect([110, 111, 1000].allSatisfy { abs(schedule.factor(step: $0) - 0.1) < 1e-12 })
    }

    @Test func cosineThatEndsAboveZero() {
        let schedule = LearningRateSchedule.cosineWarmUp(warmUp: 10, steps: 110)
        #expect(schedule.factor(step: 0) == 0 && schedule.factor(step: 10) == 1 && abs(schedule.factor(step: 60) - 0.525) < 1e-12)
        #expect([110, 1000].allSatisfy { abs(schedule.factor(step: $0) - 0.05) < 1e-12 })
    }

    /// 80 % and 95 % of 101 steps are 80.8 and 95.95.
    @Test func dropsAtSharesOfTheRun() {
        let schedule = LearningRateSchedule.stepDrops(warmUp: 2, steps: 101)
        #expect((2...80).allSatisfy { schedule.factor(step: $0) == 1 } && (81...95).allSatisfy { schedule.factor(step: $0) == 0.1 })
        #expect(abs(schedule.factor(step: 96) - 0.01) < 1e-15 && schedule.factor(step: 0) == 0.005)
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

/// Fixture 36's curves: those of stage 2, and the linear probe's.
@Suite(.enabled(if: Fixtures.exist("36_lr"), Fixtures.skipped))
struct GeneratorScheduleFixtureTests {
    private struct Curve: Decodable {
        let schedule: String
        let w: Int?
        let T: Int?
        let epochs: Int?
        let it_per_epoch: Int?
        let t: [Int]
        let m: [Double]

        func model() throws -> LearningRateSchedule {
            switch schedule {
            case "constant": return LearningRateSchedule(.constant)
            case "warmupHoldLinear": return try .warmUpHoldLinear(warmUp: #require(w), steps: #require(T))
            case "cosineWarmup": return try .cosineWarmUp(warmUp: #require(w), steps: #require(T))
            case "step": return try .stepDrops(warmUp: #require(w), steps: #require(epochs) * #require(it_per_epoch))
            default:
                try #require(schedule == "halfCosineToZero")
                return try LearningRateSchedule(.cosine(end: #require(T), minimum: 0), warmUp: #require(w))
            }
        }
    }

    private struct File: Decodable { let cases: [Curve] }

    @Test(arguments: Fixtures.files("36_lr"))
    func matchesGoldenCurves(_ name: String) throws {
        let curves = try JSONDecoder().decode(File.self, from: Data(contentsOf: Fixtures.folder.appendingPathComponent(name))).cases
        #expect(!curves.isEmpty)
        for curve in curves {
            let schedule = try curve.model()
            for (step, want) in zip(curve.t, curve.m) {
                let got = schedule.factor(step: step)
                #expect(abs(got - want) <= 1e-12, "\(curve.schedule) at \(step): \(got), golden \(want)")
            }
        }
    }
}

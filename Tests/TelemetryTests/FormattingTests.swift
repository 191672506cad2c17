import Foundation
import Telemetry
import Testing

struct FormattingTests {
    static let numberCases: [(Double, Int, String)] = [
        (0.412, 3, "0.412"), (-2.1, 2, "−2.1"), (31.24, 3, "31.2"), (1234.5, 3, "1234"), (9.996, 3, "10.0"), (0.0, 3, "0"),
        (0.00012345, 3, "0.000123"), (3.14e-7, 2, "3.1e-07"), (2.5e9, 3, "2.50e+09"), (1.0, 3, "1.00"), (-0.0, 3, "0"),
        (Double.nan, 3, "nan"), (Double.infinity, 3, "inf"), (-Double.infinity, 3, "−inf"), (99.96, 3, "100"), (0.9, 2, "0.90"),
    ]

    @Test(arguments: numberCases)
    func numbers(value: Double, digits: Int, expected: String) {
        #expect(Formatting.number(value, digits: digits) == expected)
    }

    static let durationCases: [(Double, String)] = [
        (0, "0 s"), (0.4, "0 s"), (45, "45 s"), (59.6, "1 m 0 s"), (312, "5 m 12 s"), (3599, "59 m 59 s"), (3600, "1 h 0 m"),
        (7380, "2 h 3 m"), (273_659, "3 d 4 h"), (-1, "?"), (Double.nan, "?"), (Double.infinity, "?"),
    ]

    @Test(arguments: durationCases)
    func durations(seconds: Double, expected: String) {
        #expect(Formatting.duration(seconds: seconds) == expected)
    }

    @Test func aConstantRateIsFoundAtOnceAndKept() throws {
        var rate = ExponentialRate(timeConstant: 30, startingAt: 100)
        #expect(rate.perSecond == nil)
        for (index, time) in [102.0, 103, 110, 150, 151].enumerated() {
            let previous = [100.0, 102, 103, 110, 150][index]
            rate.add(8 * (time - previous), at: time)
            #expect(abs(try #require(rate.perSecond) - 8) < 1e-12)
        }
    }

    /// Against the closed form for unit steps: after n steps at a new rate the old one weighs exp(−n/τ).
    @Test func aChangedRateIsApproachedExponentially() throws {
        var rate = ExponentialRate(timeConstant: 10, startingAt: 0)
        for second in 1...2000 { rate.add(5, at: Double(second)) }
        for second in 2001...2010 { rate.add(15, at: Double(second)) }
        #expect(abs(try #require(rate.perSecond) - (15 - 10 * exp(-1.0))) < 1e-9)
    }

    @Test func timeThatStandsStillOrGoesBackIsHarmless() {
        var rate = ExponentialRate(timeConstant: 10, startingAt: 5)
        rate.add(3, at: 5)
        #expect(rate.perSecond == nil)
        rate.add(3, at: 4)
        rate.add(0, at: 6)
        #expect(rate.perSecond.map { $0 > 0 && $0 <= 6 } == true)
    }
}

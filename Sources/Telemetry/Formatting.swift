import Foundation

/// Numbers, durations and rates for people.
public enum Formatting {
    /// A number with so many significant digits, e.g. `0.412`, `−2.1`, `1234`, `3.1e-07`; the minus sign is a real one.
    public static func number(_ value: Double, digits: Int = 3) -> String {
        precondition(digits >= 1, "\(digits) digits")
        guard value.isFinite else { return value.isNaN ? "nan" : value < 0 ? "−inf" : "inf" }
        guard value != 0 else { return "0" }
        // The exponent after rounding: 9.996 has one digit more than it seems.
        let scientific = String(format: "%.\(digits - 1)e", abs(value))
        let exponent = scientific.split(separator: "e").last.flatMap { Int($0) } ?? 0
        let text = (-4..<6).contains(exponent)
            ? String(format: "%.\(max(0, digits - 1 - exponent))f", abs(value)) : scientific
        return (value < 0 ? "−" : "") + text
    }

    /// A duration in its two largest units: `45 s`, `5 m 12 s`, `2 h 3 m`, `3 d 4 h`; `?` when it is not known.
    public static func duration(seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0, seconds < 1e9 else { return "?" }
        let whole = Int(seconds.rounded())
        let (days, hours, minutes) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60)
        if days > 0 { return "\(days) d \(hours) h" }
        if hours > 0 { return "\(hours) h \(minutes) m" }
        if minutes > 0 { return "\(minutes) m \(whole % 60) s" }
        return "\(whole) s"
    }

    /// Text without control characters (they become spaces): what a peer calls itself must not steer the terminal.
    static func printable(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            let isControl = scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value)
            result.unicodeScalars.append(isControl ? " " : scalar)
        }
        return result
    }
}

/// An exponential average of a rate, e.g. images per second: what happened `timeConstant` seconds ago weighs 1/e.
/// Times are monotonic seconds of the caller's clock.
public struct ExponentialRate: Sendable {
    private let timeConstant: Double
    private var lastTime: Double
    private var amount = 0.0
    private var duration = 0.0

    /// Starts counting at a time.
    public init(timeConstant: Double, startingAt time: Double) {
        precondition(timeConstant > 0, "a time constant of \(timeConstant) s")
        self.timeConstant = timeConstant
        lastTime = time
    }

    /// Counts what was done between the last time and this one.
    public mutating func add(_ done: Double, at time: Double) {
        let elapsed = max(0, time - lastTime)
        let decay = exp(-elapsed / timeConstant)
        amount = amount * decay + done
        duration = duration * decay + elapsed
        lastTime = max(lastTime, time)
    }

    /// Amount per second; nil before any time has passed.
    public var perSecond: Double? { duration > 0 ? amount / duration : nil }
}

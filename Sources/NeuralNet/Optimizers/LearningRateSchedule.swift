#if canImport(Glibc)
import Glibc
#endif

/// The factor on the learning rate over a run (spec 7; stage2 1.7): an optional linear warm-up, then one of several courses. A pure function of the
/// step.
public struct LearningRateSchedule: Sendable, Equatable {
    public enum Course: Sendable, Equatable {
        case constant
        /// Times `factor` from each of the given steps on.
        case steps(at: [Int], factor: Double)
        /// Half a cosine from 1 at the end of the warm-up to 0 at step `end`, but never below `minimum`.
        case cosine(end: Int, minimum: Double)
        /// Half a cosine from 1 at the end of the warm-up to `floor` at step `end`, and `floor` from there on.
        case cosineToFloor(end: Int, floor: Double)
        /// 1 for the share `hold` of the steps from the end of the warm-up to step `last`, then straight down to `floor` at step `last`.
        case holdThenLinear(last: Int, hold: Double, floor: Double)
    }

    public var course: Course
    /// Steps in which the factor rises to 1 in equal parts; 0 for none.
    public var warmUp: Int
    /// The factor of the warm-up's first step.
    public var start: Double

    public init(_ course: Course, warmUp: Int = 0, from start: Double = 0) {
        self.course = course
        self.warmUp = warmUp
        self.start = start
    }

    /// The generators' schedule: warm-up from 0.005, 1 for a twentieth of the rest, linear to 0.1 at the last of `steps` steps.
    public static func warmUpHoldLinear(warmUp: Int, steps: Int) -> Self {
        Self(.holdThenLinear(last: steps - 1, hold: 0.05, floor: 0.1), warmUp: warmUp, from: 0.005)
    }

    /// RandAR's schedule: warm-up from 0, half a cosine to 0.05 at the end of `steps` steps, the warm-up's included.
    public static func cosineWarmUp(warmUp: Int, steps: Int) -> Self {
        Self(.cosineToFloor(end: steps, floor: 0.05), warmUp: warmUp)
    }

    /// The paper's schedule of the generators: warm-up from 0.005, then a tenth from 80 % of `steps` steps on and a hundredth from 95 % on.
    public static func stepDrops(warmUp: Int, steps: Int) -> Self {
        Self(.steps(at: [(4 * steps + 4) / 5, (19 * steps + 19) / 20], factor: 0.1), warmUp: warmUp, from: 0.005)
    }

    /// The factor for the update of a step, counted from 0.
    public func factor(step: Int) -> Double {
        if step < warmUp { return start + (1 - start) * Double(step) / Double(warmUp) }
        switch course {
        case .constant:
            return 1
        case .steps(let drops, let factor):
            return drops.reduce(1) { step >= $1 ? $0 * factor : $0 }
        case .cosine(let end, let minimum):
            return max(halfCosine(step, end), minimum)
        case .cosineToFloor(let end, let floor):
            return floor + (1 - floor) * halfCosine(step, end)
        case .holdThenLinear(let last, let hold, let floor):
            let share = share(of: step, until: last)
            return share < hold ? 1 : floor + (1 - floor) * (1 - share) / (1 - hold)
        }
    }

    private func halfCosine(_ step: Int, _ end: Int) -> Double { 0.5 * (1 + cos(.pi * share(of: step, until: end))) }

    /// How far a step is on the way from the end of the warm-up to another, at most 1.
    private func share(of step: Int, until end: Int) -> Double { min(Double(step - warmUp) / Double(max(end - warmUp, 1)), 1) }
}

#if canImport(Glibc)
import Glibc
#endif

/// The factor on the learning rate over a run (spec 7): an optional linear warm-up, then one of three courses. A pure function of the step.
public struct LearningRateSchedule: Sendable, Equatable {
    public enum Course: Sendable, Equatable {
        case constant
        /// Times `factor` from each of the given steps on.
        case steps(at: [Int], factor: Double)
        /// Half a cosine from 1 at the end of the warm-up to 0 at step `end`, but never below `minimum`.
        case cosine(end: Int, minimum: Double)
    }

    public var course: Course
    /// Steps in which the factor rises from 0 to 1 in equal parts; 0 for none.
    public var warmUp: Int

    public init(_ course: Course, warmUp: Int = 0) {
        self.course = course
        self.warmUp = warmUp
    }

    /// The factor for the update of a step, counted from 0.
    public func factor(step: Int) -> Double {
        if step < warmUp { return Double(step) / Double(warmUp) }
        switch course {
        case .constant:
            return 1
        case .steps(let drops, let factor):
            return drops.reduce(1) { step >= $1 ? $0 * factor : $0 }
        case .cosine(let end, let minimum):
            let share = Double(step - warmUp) / Double(max(end - warmUp, 1))
            return max(0.5 * (1 + cos(.pi * min(share, 1))), minimum)
        }
    }
}

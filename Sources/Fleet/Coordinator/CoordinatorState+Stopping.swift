/// Stopping in an orderly way: the step at hand is finished if that can be expected in time, and dropped otherwise. Dropping one loses nothing but
/// work, so the deadline decides, not the step.
extension CoordinatorState {
    /// A requested end.
    struct Stopping: Sendable {
        let exit: FleetExit
        /// When the step at hand is dropped.
        let deadline: Instant
    }

    /// Takes in the request: ends at once if no step is in progress, or if it is not expected to be committed by the deadline. A step that is
    /// being committed already is always waited for.
    mutating func stopAfterStep(_ exit: FleetExit, deadline: Instant) {
        guard isOpen, stopping == nil else { return }
        stopping = Stopping(exit: exit, deadline: deadline)
        guard phase != .finishing else { return }
        if predictedStepEnd.map({ $0 > deadline }) ?? true { end(exit) }
    }

    /// Drops the step once the deadline has passed, or when nobody is left to compute it.
    mutating func checkStopping(now: Instant) {
        guard let stopping, phase == .running else { return }
        if now >= stopping.deadline || readyCount == 0 { end(stopping.exit) }
    }

    /// Notes that the first worker is told of the step.
    mutating func noteStepBegin() { stepBegan = lastHandled }

    /// Notes that the step is committed.
    mutating func noteStepEnd() {
        guard let stepBegan else { return }
        secondsPerStep = stepBegan.duration(to: lastHandled).inSeconds / plan.relativeCost
        self.stepBegan = nil
    }

    /// When the step at hand should be committed, if it takes as long as the one before, by its relative cost; nil before the first one is, and
    /// while none is in progress.
    var predictedStepEnd: Instant? {
        guard phase == .running, let stepBegan, let secondsPerStep else { return nil }
        return stepBegan + .seconds(secondsPerStep * plan.relativeCost)
    }
}

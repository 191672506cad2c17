import Fleet

/// What waits for a process that does not run: stopped, or busy with the end of a step. It is taken in later, in the order of arrival.
struct Inbox {
    private(set) var stoppedUntil: Instant?
    private var waiting: [() -> Void] = []
    private var next = 0

    /// True when the event has to wait, and does.
    mutating func keeps(_ event: @escaping () -> Void) -> Bool {
        guard stoppedUntil != nil else { return false }
        waiting.append(event)
        return true
    }

    var isStopped: Bool { stoppedUntil != nil }

    /// - Returns: true when somebody has to call `wake` at that time.
    mutating func stop(until time: Instant) -> Bool {
        if let stoppedUntil, stoppedUntil >= time { return false }
        stoppedUntil = time
        return true
    }

    /// Runs again, unless it was stopped for longer meanwhile.
    mutating func wake(now: Instant) -> Bool {
        guard let time = stoppedUntil, time <= now else { return false }
        stoppedUntil = nil
        return true
    }

    /// The next event that waited; nil when none is left, or the process stopped again.
    mutating func take() -> (() -> Void)? {
        guard stoppedUntil == nil else { return nil }
        guard next < waiting.count else {
            waiting = []
            next = 0
            return nil
        }
        next += 1
        return waiting[next - 1]
    }

    mutating func removeAll() { (stoppedUntil, waiting, next) = (nil, [], 0) }
}

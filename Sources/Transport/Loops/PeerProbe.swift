import Fleet

/// Notices within a moment that a worker's connection has ended. ZeroMQ tells that one of a ROUTER's connections has, not which; so all sessions
/// are said something shortly afterwards, and those that are gone cannot be reached.
struct PeerProbe {
    /// Tells of ended connections.
    let monitor: Socket
    /// Sessions in the order in which they were taken in.
    private(set) var sessions: [SessionID] = []
    /// When to ask round.
    private(set) var due: Instant?

    /// The library tells of the end before it forgets the connection; and when a machine with many workers goes, one round is enough for all.
    private static let delay = Duration.milliseconds(20)

    init(monitor: Socket) { self.monitor = monitor }

    mutating func add(_ session: SessionID) {
        if !sessions.contains(session) { sessions.append(session) }
    }

    mutating func remove(_ session: SessionID) { sessions.removeAll { $0 == session } }

    /// Takes in what the monitor has to say; true when it is time to ask round.
    mutating func isDue(now: Instant) -> Bool {
        while monitor.receive() != nil { due = due ?? now + Self.delay }
        guard let due, now >= due else { return false }
        self.due = nil
        return true
    }

    func close(_ watched: Socket?) {
        watched?.endMonitor()
        monitor.close()
    }
}

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
    /// Strangers who connect and are turned away end connections too, as often as they like: rounds keep this distance.
    private static let pause = Duration.milliseconds(250)
    private var last: Instant?

    init(monitor: Socket) { self.monitor = monitor }

    mutating func add(_ session: SessionID) {
        if !sessions.contains(session) { sessions.append(session) }
    }

    mutating func remove(_ session: SessionID) { sessions.removeAll { $0 == session } }

    /// Takes in what the monitor has to say; true when it is time to ask round.
    mutating func isDue(now: Instant) -> Bool {
        while monitor.receive() != nil { due = due ?? max(now + Self.delay, last.map { $0 + Self.pause } ?? now) }
        guard let due, now >= due else { return false }
        self.due = nil
        last = now
        return true
    }

    func close(_ watched: Socket?) {
        watched?.endMonitor()
        monitor.close()
    }
}

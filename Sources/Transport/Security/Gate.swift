import Fleet

/// Holds what peers say against the keys that they proved to have: who opened a session alone speaks in it. Belongs to the coordinator's thread.
///
/// ZeroMQ checks a key once, when a connection is made; this is asked about every message, so a key that is removed from the list falls silent at
/// once, connections that it already has included.
struct Gate {
    /// What to do with a message.
    enum Verdict: Equatable {
        case pass
        /// Not to be used; the event is nil when it was reported lately.
        case drop(SecurityEvent?)
        /// Not to be used, and the peer is to be told why.
        case expel(exitCode: Int32, text: String)
    }

    private struct Owner {
        let key: CurveKey
        let process: SessionID
    }

    private let authenticator: Authenticator
    private var owners: [SessionID: Owner] = [:]
    private var errors = ErrorBudget<CurveKey>()
    private var spoofs = ReportLimit(perMinute: 32)
    private var expulsions = ReportLimit(perMinute: 64)

    init(_ authenticator: Authenticator) { self.authenticator = authenticator }

    /// Judges a message by its last frame, before it is read any further.
    mutating func verdict(on frame: Frame?, in session: SessionID, now: Instant) -> Verdict {
        // Admitted connections always carry a key; this is for a library that would not keep to that.
        guard let key = frame?.key else { return .drop(nil) }
        if let owner = owners[session], owner.key != key { return spoof(by: key, of: session, now: now) }
        guard authenticator.admits(key) else { return expel(ExitCode.authentication, Gate.revocation, now: now) }
        if let bar = errors.bar(of: key, now: now) { return expel(ExitCode.unavailable, Gate.text(of: bar), now: now) }
        return .pass
    }

    /// Judges a hello: a process that works under one key is not taken over by another. Notes whose session it is.
    mutating func verdict(on hello: Hello, with frame: Frame?, in session: SessionID, now: Instant) -> Verdict {
        guard let key = frame?.key else { return .drop(nil) }
        if let other = owners.first(where: { $0.value.process == hello.process && $0.value.key != key }) {
            return spoof(by: key, of: other.key, now: now)
        }
        owners[session] = Owner(key: key, process: hello.process)
        return .pass
    }

    /// Forgets a session that has ended, or that was not taken in.
    mutating func forget(_ session: SessionID) { owners[session] = nil }

    /// Sessions of keys.
    func sessions(of keys: Set<CurveKey>) -> [SessionID] {
        owners.filter { keys.contains($0.value.key) }.keys.sorted { ($0.high, $0.low) < ($1.high, $1.low) }
    }

    /// Notes that what a key sent cannot be read; one time too many and it is barred.
    ///
    /// - Returns: what to report of that, and the sessions to shut out.
    mutating func malformed(_ reason: String, in frame: Frame?, now: Instant) -> (event: SecurityEvent, sessions: [SessionID], text: String)? {
        guard let key = frame?.key else { return nil }
        let sharers = owners.values.count { $0.key == key }
        guard let bar = errors.charge(key, sharers: sharers, now: now) else { return nil }
        let event = SecurityEvent.barred(
            peer: "key \(authenticator.label(of: key))", reason: "it sends what cannot be read, at last a \(reason)", seconds: bar.inSeconds)
        return (event, sessions(of: [key]), Gate.text(of: bar))
    }

    static let revocation =
        "the coordinator does not admit this worker's key any more; ask who runs it, or make new keys with 'mvq keygen --worker NAME'"

    private static func text(of bar: Duration) -> String {
        "this worker's key has sent too much that cannot be read; it may come back after \(Duration.seconds(bar.inSeconds.rounded(.up)).text)"
    }

    /// Whoever is shut out may go on talking; it is not answered each time.
    private mutating func expel(_ exitCode: Int32, _ text: String, now: Instant) -> Verdict {
        expulsions.admit(now: now) == nil ? .drop(nil) : .expel(exitCode: exitCode, text: text)
    }

    private mutating func spoof(by key: CurveKey, of session: SessionID, now: Instant) -> Verdict {
        guard let omitted = spoofs.admit(now: now) else { return .drop(nil) }
        return .drop(omitted > 0 ? .omitted(omitted) : .spoofed(session, key: authenticator.label(of: key)))
    }
}

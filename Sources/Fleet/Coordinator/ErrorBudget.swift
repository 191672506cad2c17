/// How many errors a minute a peer may make, and for how long it is refused when it makes more: one minute at first, twice as long each further
/// time, half an hour at most. An hour without errors after that and it starts afresh.
///
/// Errors are what no correct peer ever sends, however late or often its messages arrive; what merely came too late is none.
public struct ErrorBudget<Peer: Hashable & Sendable>: Sendable {
    private struct Account {
        var errors = 0
        /// When the minute of these errors began.
        var since: Instant
        /// How often the peer was barred.
        var bars = 0
        var barredUntil: Instant
    }

    /// Errors a minute that are tolerated.
    public let limit: Int
    private var accounts: [Peer: Account] = [:]
    /// Peers remembered; whoever invents new names must not fill the memory.
    private let capacity: Int

    public init(limit: Int = 32, capacity: Int = 4096) {
        precondition(limit >= 0 && capacity > 0, "a budget of \(limit) errors for \(capacity) peers")
        self.limit = limit
        self.capacity = capacity
    }

    /// Notes an error of a peer.
    ///
    /// - Parameter sharers: how many work under this name; each may make `limit` errors.
    /// - Returns: for how long the peer is barred, when this was one error too many; otherwise nil.
    public mutating func charge(_ peer: Peer, sharers: Int = 1, now: Instant) -> Duration? {
        if accounts[peer] == nil { makeRoom(now: now) }
        var account = accounts[peer] ?? Account(since: now, barredUntil: now)
        defer { accounts[peer] = account }
        if account.barredUntil.duration(to: now) > .seconds(3600) { account.bars = 0 }
        if account.since.duration(to: now) >= .seconds(60) {
            account.since = now
            account.errors = 0
        }
        account.errors += 1
        guard account.errors > limit * max(1, sharers) else { return nil }
        let bar = Duration.seconds(min(1800, 60 << min(account.bars, 5)))
        account.errors = 0
        account.bars += 1
        account.barredUntil = now + bar
        return bar
    }

    /// How much longer a peer is barred; nil when it is not.
    public func bar(of peer: Peer, now: Instant) -> Duration? {
        guard let until = accounts[peer]?.barredUntil, now < until else { return nil }
        return now.duration(to: until)
    }

    /// Peers remembered now.
    package var count: Int { accounts.count }

    private mutating func makeRoom(now: Instant) {
        guard accounts.count >= capacity else { return }
        accounts = accounts.filter { $0.value.since.duration(to: now) < .seconds(60) || $0.value.barredUntil.duration(to: now) < .seconds(3600) }
        while accounts.count >= capacity, let oldest = accounts.min(by: { $0.value.since < $1.value.since }) {
            accounts[oldest.key] = nil
        }
    }
}

/// Lets through so many reports a minute and counts the others, so that no peer can fill a log.
package struct ReportLimit: Sendable {
    package let perMinute: Int
    private var since: Instant?
    private var count = 0

    package init(perMinute: Int) { self.perMinute = perMinute }

    /// What to do with a report: nil to keep it to oneself, otherwise how many were kept back since the last minute began (mostly none).
    package mutating func admit(now: Instant) -> Int? {
        var omitted = 0
        if since.map({ $0.duration(to: now) >= .seconds(60) }) ?? true {
            omitted = max(0, count - perMinute)
            since = now
            count = 0
        }
        count += 1
        return count <= perMinute ? omitted : nil
    }
}

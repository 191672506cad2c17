/// A point on a monotonic clock, in nanoseconds. State machines are told the time; they never read a clock.
public struct Instant: InstantProtocol, Sendable, CustomStringConvertible {
    /// Nanoseconds since an arbitrary, fixed origin.
    public let nanoseconds: UInt64

    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    public func advanced(by duration: Duration) -> Instant {
        Instant(nanoseconds: UInt64(clamping: Int64(clamping: nanoseconds) + duration.nanoseconds))
    }

    public func duration(to other: Instant) -> Duration {
        .nanoseconds(Int64(clamping: other.nanoseconds) - Int64(clamping: nanoseconds))
    }

    public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

    public static func + (instant: Instant, duration: Duration) -> Instant { instant.advanced(by: duration) }

    public var description: String { "\(Double(nanoseconds) / 1e9) s" }
}

extension Duration {
    /// This duration in whole nanoseconds.
    package var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }

    /// This duration in seconds.
    package var inSeconds: Double { Double(nanoseconds) / 1e9 }

    /// This duration in seconds, rounded up to a whole number.
    package var roundedUp: Duration { .seconds(inSeconds.rounded(.up)) }

    /// Seconds for a reader: `10 s`, `0.25 s`.
    package var text: String {
        let seconds = inSeconds
        return seconds == seconds.rounded() && abs(seconds) < 1e9 ? "\(Int64(seconds)) s" : "\(seconds) s"
    }
}

/// All time constants of a fleet. The defaults suit a real cluster; tests shrink them.
public struct FleetTiming: Sendable, Equatable {
    /// How often each side says that it is alive.
    public var heartbeat: Duration = .seconds(1)
    /// A peer silent for so long is lost.
    public var liveness: Duration = .seconds(10)
    /// A worker without progress for longer than this and than three times its predicted block time is lost.
    public var progress: Duration = .seconds(10)
    /// A worker with no predicted block time yet counts as overdue after this.
    public var overdue: Duration = .seconds(10)
    /// A worker without progress (a slot, a chunk, a request for samples) for longer is lost, however slow it seems to be: a computation
    /// that hangs, and not a slow slot.
    public var stall: Duration = .seconds(3600)
    /// A machine that lost so many workers within the window, and more than it has, gets work only as a backup of others.
    public var flappingLosses = 3
    public var flappingWindow: Duration = .seconds(600)
    /// How long a machine that computed wrongly is kept away; doubled each time, up to `quarantineLast`.
    public var quarantineFirst: Duration = .seconds(60)
    public var quarantineLast: Duration = .seconds(1800)
    /// The coordinator gives up (exit 69) after so long without enough workers.
    public var gatherTimeout: Duration = .seconds(600)
    /// A worker gives up (exit 69) after so long without a coordinator.
    public var orphanTimeout: Duration = .seconds(1800)
    /// How long a coordinator that ends waits until all workers have heard of it.
    public var farewell: Duration = .seconds(2)
    /// A worker's first pause before it reconnects; doubled each time, with jitter.
    public var backoffFirst: Duration = .milliseconds(200)
    /// A worker's longest pause before it reconnects.
    public var backoffLast: Duration = .seconds(5)

    public init() {}

    /// How often a state machine wants to be told the time.
    package var tick: Duration { heartbeat / 4 }
}

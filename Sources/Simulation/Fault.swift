/// What can go wrong in a simulated fleet. When, where and how long follows from the seed.
public enum Fault: String, Sendable, CaseIterable, Codable {
    /// A worker process dies, at once or as soon as it is in a drawn state (building, waiting, fetching, computing, uploading).
    case workerCrash
    /// The same, and a new process starts on its machine soon after.
    case workerRestart
    /// A worker is told to end (SIGTERM).
    case workerStop
    /// A worker's computation never ends, while its heartbeats go on.
    case workerHang
    /// A worker process is stopped (SIGSTOP) for up to a minute; what arrives meanwhile is read when it wakes.
    case workerPause
    /// A worker computes 2 to 20 times slower from now on.
    case slowWorker
    /// The next block that a worker computes has a flipped bit; no two flips are the same.
    case bitFlip
    /// A worker joins, in the middle of whatever is going on.
    case join
    /// All worker processes die; others come after a while.
    case allWorkersLost
    /// Both connections of a session break, and both ends are told. What had arrived before may be read later, after the worker's new session began.
    case connectionLost
    /// Only the control or only the bulk connection breaks.
    case socketLost
    /// Messages vanish without a word, on one socket or both, in one direction or both, until the keep-alive of TCP gives the connection up.
    case halfOpen
    /// Everything sent is on its way for up to some seconds longer, for a while; order within each connection stays.
    case slowNetwork
    /// A message arrives twice.
    case duplicate
    /// Old messages of all sessions, also of those of earlier generations, arrive at the coordinator again, bulk messages also in sessions that are
    /// not theirs. ZeroMQ does not do that; a relay or a faulty worker may.
    case replay
    /// The coordinator dies, at once or at a drawn point of the next commit (before the journal line, in the middle of it, after it), and is started again.
    case coordinatorCrash
    /// The coordinator is told to end (SIGTERM); the whole fleet is started again later.
    case coordinatorStop
    /// The coordinator process is stopped (SIGSTOP) for up to a minute.
    case coordinatorPause
    /// Coordinator and all workers die at once; all are started again.
    case powerCut

    /// Faults that happen at a point in time and that no fleet may be impressed by; `duplicate` has a rate instead, and `bitFlip` goes unseen
    /// where blocks are computed once.
    public static let scheduled = allCases.filter { $0 != .duplicate && $0 != .bitFlip }
}

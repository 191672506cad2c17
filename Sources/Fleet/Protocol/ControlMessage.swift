/// Everything that is said on the control sockets, in both directions. docs/protocol.md gives the JSON of each message.
///
/// Messages on one socket arrive in order; there is no order between the control and the bulk socket.
/// Every message may arrive twice without harm.
public enum ControlMessage: Sendable, Equatable {
    /// The version of the protocol; sides with different versions do not work together.
    public static let protocolVersion = 1
    /// The largest payload of a bulk message, in bytes.
    public static let largestChunk = 4 << 20
    /// The most samples asked for in one `samplesNeeded`.
    public static let samplesPerRequest = 32
    /// The largest encoded sample that is passed on, in bytes.
    public static let largestSample = 64 << 20

    // Worker to coordinator.

    /// First message of a session.
    case hello(Hello)
    /// What the worker computes of the fixed image, before `ready`.
    case canary(Canary)
    /// The model is built; plans, weights and leases may come.
    case ready
    /// Each second. `slotsDone` counts the finished slots of the leased block.
    case heartbeat(phase: WorkerPhase, step: Int?, slotsDone: Int)
    /// The worker has consumed so many payload bytes of weights: as many more may be sent.
    case credit(bytes: Int)
    /// All weights of the step are here.
    case weightsReceived(step: Int)
    /// The worker lacks these samples for its block, at most `samplesPerRequest`.
    case samplesNeeded(ids: [Int])
    /// The gradient sum of the block is computed, as the lease of that number asked for, and its `bytes` bytes follow on the bulk socket. Equal
    /// work has equal digests.
    case blockDone(step: Int, block: SlotBlock, number: Int, digest: String, bytes: Int)
    /// The worker ends in an orderly way; its block goes to another.
    case leave(reason: String)
    /// The worker ends because of an error. Exit codes 65, 76 and 78 end the run as well: another worker would fail alike.
    case fault(exitCode: Int32, text: String)

    // Coordinator to worker.

    /// The worker is taken in.
    case welcome(Welcome)
    /// The worker is not taken in and ends with this exit code and text.
    case refuse(exitCode: Int32, text: String)
    /// The coordinator does not know the session: it was dropped. The worker connects anew.
    case helloAgain
    /// Each second. `step` is the step in progress, nil before the first and after the last.
    case coordinatorHeartbeat(generation: UInt64, step: Int?)
    /// The next step. Work on older ones is stale.
    case plan(StepPlan)
    /// The worker is to compute the block. Leases of a session are numbered from 1, so that a result is that of one of them: the same block may
    /// be wanted twice, to compare.
    case lease(step: Int, block: SlotBlock, number: Int)
    /// What the lease of that number asked for is no longer needed.
    case revoke(step: Int, block: SlotBlock, number: Int)
    /// The coordinator has consumed so many payload bytes of gradients: as many more may be sent.
    case coordinatorCredit(bytes: Int)
    /// The run ends; so does the worker, with this exit code and text.
    case bye(exitCode: Int32, text: String)
}

/// What a worker is doing, as its heartbeats say it.
public enum WorkerPhase: String, Codable, Sendable {
    /// Building the model.
    case building
    /// Waiting for weights or for a lease.
    case waiting
    /// Getting the samples of the block.
    case fetching
    /// Computing the block.
    case computing
    /// Sending the block's gradient.
    case uploading
}

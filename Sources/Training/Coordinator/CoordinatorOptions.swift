import Transport

/// What a coordinator is started with, besides the configuration.
public struct CoordinatorOptions: Sendable {
    /// Where a run starts from.
    public enum Resume: Sendable, Equatable {
        /// The newest valid checkpoint of the run directory; a new run if it has none.
        case auto
        /// A new run; refuses a directory that holds one.
        case never
        /// A given checkpoint file.
        case file(String)
    }

    /// ImageNet-layout folder with `train/<class>/*.JPEG`.
    public var data: String
    public var run: String
    public var listen: String
    public var resume: Resume
    public var minimumWorkers: Int
    /// Threads of the optimizer step, and as many more of evaluations.
    public var threads: Int
    /// Seconds to wait for the first worker, and for one after all were lost.
    public var gatherSeconds: Double
    /// Seconds of silence after which a peer is lost; heartbeats come ten times as often, and a worker without progress is given up likewise.
    public var livenessSeconds: Double
    /// Payload of a bulk message, at most 4 MiB.
    public var chunkBytes: Int
    /// Seconds from a request to stop to the end that somebody else may put to the process.
    public var graceSeconds: Double
    /// How many of all steps are computed twice, 0 to 1 (`CoordinatorConfiguration.auditShare`).
    public var auditShare: Double
    /// How workers are known, and who may listen in.
    public var security: CoordinatorSecurity

    public init(
        data: String, run: String, listen: String = "tcp://127.0.0.1:7700", resume: Resume = .auto, minimumWorkers: Int = 1, threads: Int = 1,
        gatherSeconds: Double = 600, livenessSeconds: Double = 10, chunkBytes: Int = 4 << 20, graceSeconds: Double = 30,
        auditShare: Double = 0.01, security: CoordinatorSecurity = .loopbackOnly
    ) {
        self.data = data
        self.run = run
        self.listen = listen
        self.resume = resume
        self.minimumWorkers = minimumWorkers
        self.threads = threads
        self.gatherSeconds = gatherSeconds
        self.livenessSeconds = livenessSeconds
        self.chunkBytes = chunkBytes
        self.graceSeconds = graceSeconds
        self.auditShare = auditShare
        self.security = security
    }
}

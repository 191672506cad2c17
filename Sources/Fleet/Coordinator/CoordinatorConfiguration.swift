/// What stays the same as long as a coordinator lives.
public struct CoordinatorConfiguration: Sendable {
    public var runID: RunID
    /// Higher than that of every earlier coordinator of the run.
    public var generation: UInt64
    /// Only workers of the same build are taken in.
    public var buildVersion: String
    /// Only workers of the same numeric class are taken in.
    public var numericClass: String
    /// What a worker has to compute before it is let in; nil for fleets whose workers need not prove it.
    public var canary: Canary?
    /// What to do about another numeric class, for the refusal.
    public var numericClassMend = "install the same build and libraries everywhere"
    /// The run's configuration (YAML), for the workers.
    public var configuration: String
    /// Workers with their own dataset need this fingerprint.
    public var datasetFingerprint: String
    public var sampleCount: Int
    public var weightsBytes: Int
    public var gradientBytes: Int
    /// Payload of a bulk message, at most 4 MiB.
    public var chunkBytes = 4 << 20
    /// Payload bytes on the way to or from one worker.
    public var creditBytes = 64 << 20
    /// Port of the bulk socket; the driver fills it in after binding.
    public var bulkPort = 1
    /// The first step starts when so many workers are ready; later steps need only one.
    public var minimumWorkers = 1
    /// More sessions are refused.
    public var maximumSessions = 4096
    /// The run stops when so many worker processes have vanished, one after the other, over the same slot alone (`PoisonWatch`).
    public var poisonLosses = 2
    /// How many of all steps are computed twice: every block once more by another worker, to find machines that compute wrongly. Which steps
    /// follows from run id and step. All blocks of a step and not some of every step: the second computations run side by side, so a share of
    /// 0.01 costs a hundredth of the time in a fleet of any size.
    public var auditShare = 0.01
    public var timing = FleetTiming()

    public init(
        runID: RunID, generation: UInt64, buildVersion: String, numericClass: String, configuration: String,
        datasetFingerprint: String, sampleCount: Int, weightsBytes: Int, gradientBytes: Int
    ) {
        self.runID = runID
        self.generation = generation
        self.buildVersion = buildVersion
        self.numericClass = numericClass
        self.configuration = configuration
        self.datasetFingerprint = datasetFingerprint
        self.sampleCount = sampleCount
        self.weightsBytes = weightsBytes
        self.gradientBytes = gradientBytes
    }

    var welcome: Welcome {
        Welcome(
            runID: runID, generation: generation, configuration: configuration, datasetFingerprint: datasetFingerprint,
            sampleCount: sampleCount, bulkPort: bulkPort, weightsBytes: weightsBytes, gradientBytes: gradientBytes,
            chunkBytes: chunkBytes, creditBytes: creditBytes, heartbeatSeconds: timing.heartbeat.inSeconds,
            livenessSeconds: timing.liveness.inSeconds)
    }

    /// True when all blocks of a step are computed twice.
    func audits(_ step: Int) -> Bool {
        SessionID(high: runID.high ^ mix(UInt64(truncatingIfNeeded: step) ^ 0x6175_6469_74), low: runID.low).fraction < auditShare
    }

    /// Why a worker cannot take part, with the mend; nil when it can.
    func objection(to hello: Hello) -> String? {
        if let problem = hello.problem { return "the worker announces \(problem); install the same release on both" }
        if hello.protocolVersion != ControlMessage.protocolVersion {
            return """
                worker \(hello.name) speaks protocol \(hello.protocolVersion), the coordinator \(ControlMessage.protocolVersion); \
                install the same release on both
                """
        }
        if hello.buildVersion != buildVersion {
            return "worker \(hello.name) is build \(hello.buildVersion), the coordinator \(buildVersion); install the same build on both"
        }
        // With a canary the refusal waits for it, to name the first layer that differs.
        if hello.numericClass != numericClass, canary == nil {
            return "worker \(hello.name) has numeric class \(hello.numericClass), the run \(numericClass); \(numericClassMend)"
        }
        if let fingerprint = hello.datasetFingerprint, fingerprint != datasetFingerprint {
            return """
                the dataset of worker \(hello.name) has fingerprint \(fingerprint), the run's \(datasetFingerprint); \
                copy the dataset again, or start the worker without --data
                """
        }
        return nil
    }
}

/// What a worker says about itself when it connects.
public struct Hello: Codable, Sendable, Equatable {
    /// The version of the protocol that the worker speaks.
    public var protocolVersion: Int
    /// The build that the worker runs; coordinator and workers have to run the same one.
    public var buildVersion: String
    /// What decides about the bits of its arithmetic: kernels, BLAS, decoder.
    public var numericClass: String
    public var hostName: String
    public var processID: Int
    /// A random id of the worker process, the same in all its sessions.
    public var process: SessionID
    /// Threads that compute.
    public var threads: Int
    /// The fingerprint of the worker's own copy of the dataset; nil when it needs samples from the coordinator.
    public var datasetFingerprint: String?

    public init(
        buildVersion: String, numericClass: String, hostName: String, processID: Int, process: SessionID, threads: Int,
        datasetFingerprint: String? = nil, protocolVersion: Int = ControlMessage.protocolVersion
    ) {
        self.protocolVersion = protocolVersion
        self.buildVersion = buildVersion
        self.numericClass = numericClass
        self.hostName = hostName
        self.processID = processID
        self.process = process
        self.threads = threads
        self.datasetFingerprint = datasetFingerprint
    }

    /// True when the worker reads samples from its own copy of the dataset.
    public var hasData: Bool { datasetFingerprint != nil }
    /// `host:process`, for log lines.
    public var name: String { "\(hostName):\(processID)" }
}

/// What a coordinator tells a worker that it takes in.
public struct Welcome: Codable, Sendable, Equatable {
    public var protocolVersion: Int
    public var runID: RunID
    /// Counts the coordinators of the run; a worker never follows a lower one than it has seen.
    public var generation: UInt64
    /// The run's configuration, as YAML.
    public var configuration: String
    public var datasetFingerprint: String
    /// Samples in the dataset; sample ids lie in 0..<sampleCount.
    public var sampleCount: Int
    /// The TCP port of the bulk socket, on the host of the control socket.
    public var bulkPort: Int
    public var weightsBytes: Int
    public var gradientBytes: Int
    /// Payload of all chunks but the last, at most 4 MiB.
    public var chunkBytes: Int
    /// How many payload bytes may be on the way unacknowledged, in each direction.
    public var creditBytes: Int
    public var heartbeatSeconds: Double
    public var livenessSeconds: Double

    public init(
        runID: RunID, generation: UInt64, configuration: String, datasetFingerprint: String, sampleCount: Int,
        bulkPort: Int, weightsBytes: Int, gradientBytes: Int, chunkBytes: Int, creditBytes: Int, heartbeatSeconds: Double,
        livenessSeconds: Double, protocolVersion: Int = ControlMessage.protocolVersion
    ) {
        self.protocolVersion = protocolVersion
        self.runID = runID
        self.generation = generation
        self.configuration = configuration
        self.datasetFingerprint = datasetFingerprint
        self.sampleCount = sampleCount
        self.bulkPort = bulkPort
        self.weightsBytes = weightsBytes
        self.gradientBytes = gradientBytes
        self.chunkBytes = chunkBytes
        self.creditBytes = creditBytes
        self.heartbeatSeconds = heartbeatSeconds
        self.livenessSeconds = livenessSeconds
    }

    /// True when a model built for `other` serves this run as well: only the coordinator or its ports changed.
    package func needsSameModel(as other: Welcome) -> Bool {
        runID == other.runID && configuration == other.configuration && datasetFingerprint == other.datasetFingerprint
            && sampleCount == other.sampleCount && weightsBytes == other.weightsBytes && gradientBytes == other.gradientBytes
    }

    /// The first value that no coordinator can mean; nil when all are possible.
    package var problem: String? {
        if !(1...65535).contains(bulkPort) { return "bulk port \(bulkPort)" }
        if weightsBytes < 1 { return "\(weightsBytes) bytes of weights" }
        if gradientBytes < 1 { return "\(gradientBytes) bytes of gradient" }
        if !(1...ControlMessage.largestChunk).contains(chunkBytes) { return "chunks of \(chunkBytes) bytes" }
        if creditBytes > 1 << 42 { return "a credit of \(creditBytes) bytes" }
        if creditBytes < chunkBytes { return "a credit of \(creditBytes) bytes for chunks of \(chunkBytes)" }
        if !(1...1 << 48).contains(sampleCount) { return "\(sampleCount) samples" }
        if max(weightsBytes, gradientBytes) / chunkBytes > 1 << 24 { return "\(max(weightsBytes, gradientBytes)) bytes in chunks of \(chunkBytes)" }
        if max(weightsBytes, gradientBytes) > 1 << 42 { return "vectors of \(max(weightsBytes, gradientBytes)) bytes" }
        if !(0.001...3600).contains(heartbeatSeconds) { return "a heartbeat of \(heartbeatSeconds) s" }
        if !(heartbeatSeconds...86400).contains(livenessSeconds) { return "a liveness deadline of \(livenessSeconds) s" }
        return nil
    }
}

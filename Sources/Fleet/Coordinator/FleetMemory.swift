/// What a coordinator knows of worker processes and their machines beyond the sessions they come in. It ends with the coordinator.
struct FleetMemory: Sendable {
    struct Process: Sendable {
        /// Mean seconds for a slot of relative cost 1.
        var secondsPerSlot: Double?
        /// Mean seconds from the announcement of a gradient to its last byte.
        var transferSeconds: Double?
        /// The first step that uses work of this process.
        var firstStep: Int?
        /// It made no progress and was given up; no block of it came since.
        var isStalled = false
        var lastSeen: Instant

        /// What so many slots of relative cost 1 and the transfer of their gradient should take; nil before the first block.
        func secondsPerBlock(slots: Double) -> Double? { secondsPerSlot.map { min($0 * slots + (transferSeconds ?? 0), 1e9) } }
    }

    private struct Host {
        var losses: [Instant] = []
        var quarantines = 0
        var quarantineEnd: Instant?
    }

    private static let mostProcesses = 16384
    private static let mostHosts = 4096
    private var processes: [SessionID: Process] = [:]
    private var hosts: [String: Host] = [:]

    subscript(process: SessionID) -> Process? { processes[process] }

    /// A process joins, perhaps again.
    mutating func noteSeen(_ process: SessionID, now: Instant) {
        processes[process, default: Process(lastSeen: now)].lastSeen = now
        guard processes.count > FleetMemory.mostProcesses else { return }
        let oldest = processes.min { ($0.value.lastSeen, $0.key.high, $0.key.low) < ($1.value.lastSeen, $1.key.high, $1.key.low) }
        if let oldest { processes[oldest.key] = nil }
    }

    // MARK: Speed

    /// Half of the mean is the latest block.
    mutating func noteComputed(_ process: SessionID, secondsPerSlot seconds: Double) {
        guard let old = processes[process] else { return }
        processes[process]?.isStalled = false
        processes[process]?.secondsPerSlot = old.secondsPerSlot.map { ($0 + seconds) / 2 } ?? seconds
    }

    mutating func noteTransfer(_ process: SessionID, seconds: Double) {
        guard let old = processes[process] else { return }
        processes[process]?.transferSeconds = old.transferSeconds.map { ($0 + seconds) / 2 } ?? seconds
    }

    /// A process is much slower than it was: only what it does from now on counts.
    mutating func setSpeed(_ process: SessionID, secondsPerSlot: Double) { processes[process]?.secondsPerSlot = secondsPerSlot }

    /// A process was given up for making no progress. Its pace was another one than known; the next block shall not be measured by that.
    mutating func noteStalled(_ process: SessionID) {
        processes[process]?.isStalled = true
        processes[process]?.secondsPerSlot = nil
    }

    mutating func noteContribution(_ process: SessionID, step: Int) {
        if let known = processes[process], known.firstStep == nil { processes[process]?.firstStep = step }
    }

    // MARK: Machines that fail

    /// A worker of the host vanished.
    mutating func noteLoss(host: String, now: Instant) {
        if hosts.count >= FleetMemory.mostHosts { hosts = hosts.filter { $0.value.quarantines > 0 } }
        hosts[host, default: Host()].losses.append(now)
        if let count = hosts[host]?.losses.count, count > 64 { hosts[host]?.losses.removeFirst() }
    }

    /// True when the host loses workers over and over: `flappingLosses` within the window, and more than it has workers now.
    func isFlapping(host: String, workers: Int, now: Instant, timing: FleetTiming) -> Bool {
        guard let losses = hosts[host]?.losses else { return false }
        let recent = losses.count { $0.duration(to: now) <= timing.flappingWindow }
        return recent >= timing.flappingLosses && recent > workers
    }

    // MARK: Machines that compute wrongly

    /// Keeps the host's workers away for a while: twice as long each time, up to a limit. Processes that the coordinator knows and that have
    /// done nothing wrong are not meant.
    /// - Returns: for how long.
    mutating func quarantine(host: String, process: SessionID, now: Instant, timing: FleetTiming) -> Duration {
        processes[process] = nil
        var duration = timing.quarantineFirst
        for _ in 0..<min(32, hosts[host]?.quarantines ?? 0) where duration < timing.quarantineLast { duration = duration * 2 }
        duration = min(duration, timing.quarantineLast)
        hosts[host, default: Host()].quarantines += 1
        hosts[host]?.quarantineEnd = now + duration
        return duration
    }

    /// How long a process that says hello has to stay away; nil when it may come in.
    func quarantineLeft(host: String, process: SessionID, now: Instant) -> Duration? {
        guard let end = hosts[host]?.quarantineEnd, now < end, processes[process] == nil else { return nil }
        return now.duration(to: end)
    }
}

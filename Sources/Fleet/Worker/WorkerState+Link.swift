/// Connecting, staying connected, and trying again.
extension WorkerState {
    /// Opens a new session under a new id: nothing of an old connection can reach it.
    mutating func connect(now: Instant) {
        session = .derived(from: hello.process, attempt: sessions)
        sessions += 1
        attempts += 1
        link = .greeting
        lastHeard = now
        report(.connecting(address: address, session: session, attempt: attempts))
        actions.append(.open(session))
        actions.append(.send(.hello(hello)))
    }

    /// Gives the session up and plans the next one.
    mutating func rejoin(reason: String, now: Instant) {
        guard link == .greeting || isTakenIn else { return }
        if orphanSince == nil {
            orphanSince = now
            report(.orphaned(reason: reason))
        }
        abandonWork()
        welcome = nil
        plan = nil
        weights = nil
        newestLease = 0
        actions.append(.close(dropUnsent: true))
        link = .waiting(until: now + backoff)
    }

    /// Doubles from the first to the last pause; half of each pause is jitter, so that a fleet does not come back all at once.
    private var backoff: Duration {
        var pause = timing.backoffFirst
        for _ in 1..<max(1, attempts) where pause < timing.backoffLast { pause = pause * 2 }
        let jitter = SessionID.derived(from: hello.process, attempt: -1 - sessions).fraction
        return min(pause, timing.backoffLast) * (0.5 + 0.5 * jitter)
    }

    mutating func accept(_ welcome: Welcome, now: Instant) {
        guard link == .greeting else { return drop("welcome in a session that is open already") }
        guard welcome.protocolVersion == ControlMessage.protocolVersion else {
            return end(
                ExitCode.configuration,
                """
                the coordinator speaks protocol \(welcome.protocolVersion), this worker \(ControlMessage.protocolVersion); \
                install the same release on both
                """)
        }
        if let problem = welcome.problem {
            return end(
                ExitCode.configuration, "the coordinator at \(address) announces \(problem); run the same release on both sides")
        }
        if let newest, newest.run == welcome.runID, welcome.generation < newest.generation {
            drop("welcome of generation \(welcome.generation), though \(newest.generation) was seen")
            return rejoin(reason: "an outdated coordinator answers at \(address)", now: now)
        }
        newest = (welcome.runID, welcome.generation)
        self.welcome = welcome
        attempts = 0
        orphanSince = nil
        credit = welcome.creditBytes
        owed = OwedCredit()
        timing.heartbeat = .seconds(welcome.heartbeatSeconds)
        timing.liveness = .seconds(welcome.livenessSeconds)
        lastHeartbeat = now
        link = .building
        report(.joined(welcome.runID, generation: welcome.generation))
        actions.append(
            .openBulk(
                port: welcome.bulkPort,
                attach: BulkHeader(
                    kind: .attach, runID: welcome.runID, generation: welcome.generation, session: session)))
        if let model, model.needsSameModel(as: welcome) {
            becomeReady()
        } else {
            model = welcome
            canary = nil
            buildsUnderWay += 1
            actions.append(.buildModel(welcome))
        }
    }

    mutating func modelReady() {
        buildsUnderWay -= 1
        becomeReady()
    }

    private mutating func becomeReady() {
        guard link == .building, buildsUnderWay == 0 else { return }
        link = .joined
        if let canary { send(.canary(canary)) }
        send(.ready)
    }

    // MARK: Time

    /// Time in which the worker was stopped is not held against the coordinator.
    mutating func forgivePause(until now: Instant) {
        let gap = lastHandled.duration(to: now)
        if gap > timing.heartbeat { lastHeard = lastHeard + gap }
        lastHandled = max(lastHandled, now)
    }

    /// Whatever is due at this time; runs after every event.
    mutating func keepTime(now: Instant) {
        if let orphanSince, orphanSince.duration(to: now) > timing.orphanTimeout {
            end(
                ExitCode.unavailable,
                "no coordinator at \(address) for \(timing.orphanTimeout.text); check that it runs and that its port can be reached")
        }
        switch link {
        case .waiting(let until):
            if now >= until { connect(now: now) }
        case .greeting, .building, .joined:
            if lastHeard.duration(to: now) > timing.liveness {
                rejoin(reason: "the coordinator at \(address) is silent for \(timing.liveness.text)", now: now)
            } else if isTakenIn, lastHeartbeat.duration(to: now) >= timing.heartbeat {
                lastHeartbeat = now
                send(.heartbeat(phase: phase, step: work?.step, slotsDone: work?.slotsDone ?? 0))
            }
        case .ended: break
        }
    }

    /// What the worker is doing.
    public var phase: WorkerPhase {
        guard link != .building else { return .building }
        switch work?.stage {
        case nil: return upload == nil ? .waiting : .uploading
        case .preparing, .fetching: return .fetching
        case .computing: return .computing
        case .computed: return .uploading
        }
    }
}

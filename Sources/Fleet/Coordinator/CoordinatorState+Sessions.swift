/// Who belongs to the fleet: joining, liveness, leaving, vanishing.
extension CoordinatorState {
    /// Takes a worker in, or refuses it.
    mutating func greet(_ hello: Hello, from session: SessionID, now: Instant) {
        if position(of: session) != nil {
            actions.append(.send(.welcome(configuration.welcome), to: session))
            return
        }
        if let objection = configuration.objection(to: hello) { return refuse(session, objection) }
        if let bar = bar(of: hello, now: now) { return refuse(session, bar, exitCode: ExitCode.unavailable) }
        if let old = members.first(where: { $0.hello.process == hello.process }) {
            remove(old.id, reason: "the worker connected anew", crashed: false)
        }
        if members.count >= configuration.maximumSessions {
            return refuse(
                session, "the coordinator has \(members.count) workers already; raise its limit or start fewer",
                exitCode: ExitCode.unavailable)
        }
        table.forgetLoss(process: hello.process)
        members.append(
            Member(id: session, hello: hello, lastHeard: now, lastProgress: now, credit: configuration.creditBytes))
        report(.joined(session, name: hello.name, threads: hello.threads))
        actions.append(.send(.welcome(configuration.welcome), to: session))
    }

    mutating func refuse(_ session: SessionID, _ text: String, exitCode: Int32 = ExitCode.configuration) {
        // It may quote what the worker said, and has to fit into a message.
        let text = text.bounded(4000)
        report(.refused(session, text: text))
        actions.append(.send(.refuse(exitCode: exitCode, text: text), to: session))
    }

    /// Refuses a peer of another protocol version.
    mutating func refuse(version: Int, _ session: SessionID) {
        guard position(of: session) == nil else {
            return malformed("a message of protocol \(version) in the middle of a session", from: session)
        }
        refuse(
            session,
            "the worker speaks protocol \(version), the coordinator \(ControlMessage.protocolVersion); install the same release on both")
    }

    /// An orderly departure.
    mutating func leave(_ session: SessionID, reason: String) {
        guard let position = position(of: session) else { return }
        report(.left(session, name: members[position].hello.name, reason: reason))
        discard(position)
    }

    /// A worker vanished while it may have been computing.
    mutating func lose(_ session: SessionID, reason: String) {
        remove(session, reason: reason, crashed: true)
    }

    /// Drops a session whose worker may live on; it is told to connect anew.
    mutating func dismiss(_ session: SessionID, reason: String) {
        guard position(of: session) != nil else { return }
        actions.append(.send(.helloAgain, to: session))
        remove(session, reason: reason, crashed: false)
    }

    mutating func remove(_ session: SessionID, reason: String, crashed: Bool) {
        guard let position = position(of: session) else { return }
        let member = members[position]
        report(.lost(session, name: member.hello.name, reason: reason, block: member.lease?.block))
        discard(position)
        guard crashed, let block = member.lease?.block, phase == .running else { return }
        let losses = table.noteLoss(of: block, process: member.hello.process)
        guard losses >= configuration.poisonLosses else { return }
        report(.poisonBlock(step: plan.step, block: block, workers: losses))
        end(
            FleetExit(
                exitCode: ExitCode.badData,
                text: """
                    \(losses) workers vanished while computing \(block) of step \(plan.step); look at their logs for a sample that crashes \
                    the decoder or for a lack of memory
                    """))
    }

    private mutating func discard(_ position: Int) {
        let member = members.remove(at: position)
        table.release(member.id)
        if member.incoming != nil { actions.append(.discardBlock(from: member.id)) }
        actions.append(.closeSession(member.id))
    }

    // MARK: Time

    /// Time in which the coordinator did not look (a long step end, a stopped process) is not held against the workers.
    mutating func forgivePause(until now: Instant) {
        let gap = lastHandled.duration(to: now)
        if gap > configuration.timing.heartbeat {
            for position in members.indices {
                members[position].lastHeard = members[position].lastHeard + gap
                members[position].lastProgress = members[position].lastProgress + gap
            }
        }
        lastHandled = max(lastHandled, now)
    }

    mutating func tick(now: Instant) {
        let timing = configuration.timing
        // The next look would come too late for what runs out before it.
        for member in members where member.lastHeard.duration(to: now) + timing.tick > timing.liveness {
            lose(member.id, reason: "silent for \(timing.liveness.text)")
        }
        for member in members {
            guard let lease = member.lease, let limit = progressLimit(of: member, for: lease.block) else { continue }
            guard member.lastProgress.duration(to: now) > limit else { continue }
            actions.append(.send(.helloAgain, to: member.id))
            lose(member.id, reason: "no progress for \(limit.text)")
        }
        if lastHeartbeat.duration(to: now) >= timing.heartbeat {
            lastHeartbeat = now
            let step = phase == .running || phase == .finishing ? plan.step : nil
            for member in members {
                actions.append(
                    .send(.coordinatorHeartbeat(generation: configuration.generation, step: step), to: member.id))
            }
        }
        duplicateOverdue(now: now)
        checkGathering(now: now)
    }

    /// After how long without progress a worker is given up: three times its predicted block time. A worker that has finished no
    /// block yet is measured by the slowest of the others, with more patience; nil when nobody has finished one.
    private func progressLimit(of member: Member, for block: SlotBlock) -> Duration? {
        let floor = configuration.timing.progress
        if let own = member.predictedTime(for: block, relativeCost: plan.relativeCost) { return max(floor, own * 3) }
        let others = members.compactMap { $0.predictedTime(for: block, relativeCost: plan.relativeCost) }
        return others.max().map { max(floor, $0 * 10) }
    }

    private mutating func checkGathering(now: Instant) {
        let needed = phase == .gathering ? configuration.minimumWorkers : 1
        guard readyCount < needed else {
            gatheringSince = nil
            return
        }
        let since = gatheringSince ?? now
        gatheringSince = since
        let timeout = configuration.timing.gatherTimeout
        guard since.duration(to: now) > timeout else { return }
        end(
            FleetExit(
                exitCode: ExitCode.unavailable,
                text: "\(readyCount) of \(needed) workers were ready within \(timeout.text); start workers with --connect to this address"))
    }
}

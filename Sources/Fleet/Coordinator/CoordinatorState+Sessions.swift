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
        if let left = memory.quarantineLeft(host: hello.hostName, process: hello.process, now: now) {
            return refuse(
                session, """
                    \(hello.hostName) computed wrongly and is kept away: worker \(hello.name) may come in \(left.roundedUp.text); \
                    test its memory and processor
                    """, exitCode: ExitCode.unavailable)
        }
        if members.count >= configuration.maximumSessions {
            return refuse(
                session, "the coordinator has \(members.count) workers already; raise its limit or start fewer",
                exitCode: ExitCode.unavailable)
        }
        poison.forget(hello.process)
        memory.noteSeen(hello.process, now: now)
        var member = Member(id: session, hello: hello, credit: configuration.creditBytes, now: now)
        member.isStalled = memory[hello.process]?.isStalled ?? false
        members.append(member)
        noteFlapping(host: hello.hostName, now: now)
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
        let (member, now) = (members[position], lastHandled)
        report(.lost(session, name: member.hello.name, reason: reason, block: member.assignments.first { !$0.isCheck }?.block))
        discard(position, crashed: crashed)
        guard crashed else { return }
        memory.noteLoss(host: member.hello.hostName, now: now)
        noteFlapping(host: member.hello.hostName, now: now)
        guard phase == .running else { return }
        vanished.insert(member.hello.process)
        let lease = member.lease.flatMap { $0.digest == nil ? $0 : nil }
        // Whoever else computes it will tell more.
        let isShared = lease.map { lease in members.contains { $0[lease.block] != nil } } ?? false
        let killed = poison.note(
            isShared ? nil : lease?.block, of: member.hello.process, since: lease?.since ?? now, isConfirmed: lease?.isConfirmed ?? false, now: now,
            limit: configuration.poisonLosses)
        guard let killed, let block = lease?.block else { return }
        report(.poisonBlock(step: plan.step, block: block, workers: killed))
        end(
            FleetExit(
                exitCode: ExitCode.badData,
                text: """
                    \(killed) workers vanished one after the other while computing \(block) of step \(plan.step) alone; look at their logs for \
                    a sample that crashes the decoder or for a lack of memory
                    """))
    }

    /// The pieces that a block falls into when its worker has vanished. They find the slot that is to blame in few more losses; more of them
    /// would cost too many gradients on the wire when no slot is.
    private static let piecesAfterLoss = 16

    mutating func discard(_ position: Int, crashed: Bool = false) {
        let member = members.remove(at: position)
        for assignment in member.assignments where !assignment.isCheck {
            let isSuspect = crashed && assignment.digest == nil
            table.release(assignment.block, of: member.id, pieces: isSuspect ? CoordinatorState.piecesAfterLoss : 1)
            if assignment.incoming != nil { actions.append(.discardBlock(from: member.id)) }
        }
        actions.append(.closeSession(member.id))
    }

    /// Looks whether a machine loses its workers over and over; such a machine gets work only as a backup of others.
    mutating func noteFlapping(host: String, now: Instant) {
        let workers = members.count { $0.hello.hostName == host }
        let isFlapping = memory.isFlapping(host: host, workers: workers, now: now, timing: configuration.timing)
        var isNew = false
        for position in members.indices where members[position].hello.hostName == host && members[position].isFlapping != isFlapping {
            members[position].isFlapping = isFlapping
            isNew = isFlapping
        }
        if isNew { report(.flapping(host: host)) }
    }

    // MARK: Time

    /// Time in which the coordinator did not look (a long step end, a stopped process) is not held against the workers.
    mutating func forgivePause(until now: Instant) {
        let gap = lastHandled.duration(to: now)
        if gap > configuration.timing.heartbeat {
            for position in members.indices {
                members[position].lastHeard = members[position].lastHeard + gap
                members[position].lastProgress = members[position].lastProgress + gap
                members[position].forgive(gap)
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
        let slowest = members.compactMap { memory[$0.hello.process]?.secondsPerBlock(slots: 1) }.max()
        for member in members {
            guard let limit = progressLimit(of: member, slowest: slowest), member.lastProgress.duration(to: now) > limit else { continue }
            actions.append(.send(.helloAgain, to: member.id))
            memory.noteStalled(member.hello.process)
            lose(member.id, reason: "no progress for \(limit.text)")
        }
        for member in members where member.isFlapping { noteFlapping(host: member.hello.hostName, now: now) }
        if lastHeartbeat.duration(to: now) >= timing.heartbeat {
            lastHeartbeat = now
            let step = phase == .running || phase == .finishing ? plan.step : nil
            for member in members {
                actions.append(
                    .send(.coordinatorHeartbeat(generation: configuration.generation, step: step), to: member.id))
            }
        }
        measure(now: now)
        backUp(now: now)
        backUpChecks(now: now)
        checkGathering(now: now)
    }

    /// After how long without progress a worker is given up: three times what its block and its transfer should take. A worker that has finished
    /// no block yet is measured by the slowest of the others, with more patience; nobody may take longer than `stall` for nothing.
    private func progressLimit(of member: Member, slowest: Double?) -> Duration? {
        guard let assignment = member.lease ?? member.upload else { return nil }
        let timing = configuration.timing
        let slots = Double(assignment.block.count) * plan.relativeCost
        // What is known of a worker that hangs may be a guess from how long it hangs.
        let own = memory[member.hello.process]?.secondsPerBlock(slots: slots).map { $0 * 3 }
        let seconds = own ?? slowest.map { min($0 * max(1, slots), 1e9) * 10 }
        return max(timing.progress, seconds.map { min(.seconds($0), timing.stall) } ?? timing.stall)
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

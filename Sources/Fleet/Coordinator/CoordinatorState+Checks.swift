/// Machines that compute wrongly: blocks are computed twice, results are compared, and who is wrong has to go.
extension CoordinatorState {
    /// Notes the result that a worker announces.
    mutating func vote(_ digest: String, on block: SlotBlock, member position: Int) {
        let vote = Votes.Vote(of: members[position], digest: digest)
        let other = votes.add(vote, on: block)
        if votes.of(block).count > 1 { unchecked.removeAll { $0 == block } }
        guard let other else { return }
        report(
            .mismatch(
                step: plan.step, block: block, first: other.session, firstDigest: other.digest, second: vote.session, secondDigest: digest))
    }

    /// Finished blocks whose results have to be compared, or decided about, before the step may end; disputed ones first.
    private func openBlocks() -> [SlotBlock] {
        let disputed = votes.disputed.filter { block in table.finished.contains { $0.block == block } }
        return disputed + unchecked
    }

    /// A block is merged; in a step that is computed twice it has to be checked.
    mutating func noteUnchecked(_ block: SlotBlock) {
        guard configuration.audits(plan.step), votes.of(block).count < 2, !unchecked.contains(block) else { return }
        let place = unchecked.firstIndex { ($0.count, block.index) < (block.count, $0.index) } ?? unchecked.count
        unchecked.insert(block, at: place)
    }

    /// Has idle workers compute finished blocks once more, for comparison, and draws the conclusions. Ends the step when nothing is open.
    mutating func settle(now: Instant) {
        guard phase == .running, !table.finished.isEmpty, table.isComplete || !votes.disputed.isEmpty || configuration.audits(plan.step) else { return }
        for block in votes.disputed {
            guard let finished = table.finished.first(where: { $0.block == block }), case .wrong(let processes) = votes.verdict(on: block) else { continue }
            return exclude(processes, over: finished.block, now: now)
        }
        guard table.isComplete || !votes.disputed.isEmpty || members.contains(where: { $0.isIdle && !$0.declines }) else { return }
        let open = openBlocks()
        guard !open.isEmpty else {
            if table.isComplete { finishStep() }
            return
        }
        // Checks are not urgent as long as there is other work, but a dispute is.
        if !table.hasFreeSlots || !votes.disputed.isEmpty { ask(open, now: now) }
        noteUndecided(open, now: now)
    }

    private mutating func finishStep() {
        for position in members.indices {
            guard let lease = members[position].lease, lease.isCheck else { continue }
            members[position].lease = nil
            actions.append(revoke(lease, of: members[position].id))
        }
        phase = .finishing
        let blocks = table.finished.sorted { $0.block.slots.lowerBound < $1.block.slots.lowerBound }
        actions.append(.finishStep(step: plan.step, blocks: blocks))
    }

    // MARK: Asking

    /// Whether a worker's result would help: it has none of the block yet; or only one, and nobody is there who has none, did not vanish in this
    /// step and can be waited for.
    private func canTell(_ member: Member, _ block: SlotBlock) -> Bool {
        func count(_ process: SessionID) -> Int { votes.of(block).count { $0.process == process } }
        let own = count(member.hello.process)
        guard own > 0 else { return true }
        return own == 1 && !members.contains {
            $0.isReady && !$0.isStalled && !$0.isResting && count($0.hello.process) == 0 && !vanished.contains($0.hello.process)
        }
    }

    private func isSlow(_ member: Member) -> Bool {
        guard let own = memory[member.hello.process]?.secondsPerSlot, let usual = typical.secondsPerSlot else { return false }
        return own > 2 * usual
    }

    /// Gives open blocks that nobody checks at the moment to idle workers, large ones first.
    private mutating func ask(_ open: [SlotBlock], now: Instant) {
        guard members.contains(where: { $0.isIdle && !$0.declines }) else { return }
        let asked = Set(members.compactMap { $0.lease?.isCheck == true ? $0.lease?.block : nil })
        var waiting = open.filter { !asked.contains($0) }
        for position in members.indices where members[position].isIdle && !members[position].declines {
            guard !waiting.isEmpty else { return }
            let member = members[position]
            // A slow worker takes from the small end, and nothing that the others would wait for.
            let isSlow = isSlow(member)
            let place = isSlow ? waiting.lastIndex { canTell(member, $0) } : waiting.firstIndex { canTell(member, $0) }
            guard let place else {
                members[position].declines = true
                continue
            }
            let block = waiting[place]
            if member.isStalled, members.contains(where: { $0.isReady && !$0.isStalled && canTell($0, block) }) {
                members[position].declines = true
                continue
            }
            if isSlow, let pace = memory[member.hello.process]?.secondsPerSlot, let usual = typical.secondsPerSlot,
                pace * Double(block.count) > 1.5 * usual * Double(open.map(\.count).max() ?? 1),
                members.contains(where: { $0.isReady && !self.isSlow($0) && canTell($0, block) })
            {
                members[position].declines = true
                continue
            }
            waiting.remove(at: place)
            report(.checked(member.id, step: plan.step, block: block))
            start(block, at: position, now: now, isCheck: true)
        }
    }

    /// Gives a block that is checked by a slow worker to an idle one as well.
    mutating func backUpChecks(now: Instant) {
        guard phase == .running, table.isComplete, members.contains(where: \.isIdle) else { return }
        var late: [(block: SlotBlock, seconds: Double)] = []
        for member in members {
            guard let lease = member.lease, lease.isCheck, let seconds = remainingSeconds(lease, of: member, now: now) else { continue }
            late.append((lease.block, seconds))
        }
        late = late.filter { one in !late.contains { $0.block == one.block && $0.seconds < one.seconds } }.sorted { $0.seconds > $1.seconds }
        for position in members.indices where members[position].isIdle {
            let worker = members[position]
            let pace = usualPace(of: worker)
            let place = late.prefix(8).firstIndex { block, seconds in
                guard let pace else { return seconds == .infinity && canTell(worker, block) }
                return seconds > pace * Double(block.count) * 1.25 + configuration.timing.heartbeat.inSeconds && canTell(worker, block)
            }
            guard let place else { continue }
            let block = late.remove(at: place).block
            report(.checked(worker.id, step: plan.step, block: block))
            start(block, at: position, now: now, isCheck: true)
        }
    }

    /// Nobody is left who could tell which of two results is right: waits for another worker as long as for the first one, then ends the run. To
    /// go on with either result would be a guess.
    private mutating func noteUndecided(_ open: [SlotBlock], now: Instant) {
        let undecided = open.first { block in
            votes.disputed.contains(block) && !members.contains { $0.isReady && (canTell($0, block) || $0.lease?.block == block) }
        }
        guard let undecided else {
            undecidedSince = nil
            return
        }
        if undecidedSince == nil { report(.undecided(step: plan.step, block: undecided)) }
        let since = undecidedSince ?? now
        undecidedSince = since
        guard since.duration(to: now) > configuration.timing.gatherTimeout else { return }
        let results = votes.of(undecided).map { "\($0.digest) from \($0.session.short)" }
        end(
            FleetExit(
                exitCode: ExitCode.replayMismatch,
                text: """
                    \(undecided) of step \(plan.step) has different results, and nobody can tell which is right: \
                    \(results.joined(separator: ", ")); one of the machines computes wrongly: test their memory, or continue the run with a third one
                    """))
    }

    // MARK: Conclusions

    /// Processes that computed wrongly have to go; if any of their work is merged, the step begins anew.
    private mutating func exclude(_ processes: Set<SessionID>, over block: SlotBlock, now: Instant) {
        let all = votes.of(block)
        let right = all.first { !processes.contains($0.process) }?.digest
        let wrong = all.filter { processes.contains($0.process) && $0.digest != right }
        var done: Set<SessionID> = []
        for vote in wrong where done.insert(vote.process).inserted {
            let firstStep = memory[vote.process]?.firstStep
            let duration = memory.quarantine(host: vote.host, process: vote.process, now: now, timing: configuration.timing)
            report(
                .quarantined(
                    Quarantine(
                        session: vote.session, name: vote.name, step: plan.step, block: block, digest: vote.digest, rightDigest: right,
                        firstStep: firstStep, duration: duration)))
            guard let position = members.firstIndex(where: { $0.hello.process == vote.process }) else { continue }
            actions.append(
                .send(
                    .refuse(
                        exitCode: ExitCode.unavailable,
                        text: """
                            worker \(vote.name) computed \(block) of step \(plan.step) otherwise than others or itself; test memory and \
                            processor of \(vote.host); it may come back in \(duration.text)
                            """), to: members[position].id))
            discard(position)
        }
        let isTouched = !contributors.isDisjoint(with: processes)
        votes.remove(processes)
        for finished in table.finished { noteUnchecked(finished.block) }
        guard isTouched else { return }
        report(.stepRestarted(step: plan.step))
        for position in members.indices {
            for assignment in members[position].assignments { actions.append(revoke(assignment, of: members[position].id)) }
            members[position].forgetWork()
        }
        actions.append(.restartStep(step: plan.step))
        table = LeaseTable(slots: plan.slots)
        votes = Votes()
        unchecked = []
        contributors = []
    }
}

/// Who gets which bytes and which block: runs after every event.
extension CoordinatorState {
    var weightsLayout: ChunkLayout {
        ChunkLayout(totalBytes: configuration.weightsBytes, chunkBytes: configuration.chunkBytes)
    }

    /// Does everything that has become possible.
    mutating func advance(now: Instant) {
        if phase == .gathering, readyCount >= max(1, configuration.minimumWorkers) { phase = .running }
        guard phase == .running else { return }
        for position in members.indices where members[position].isReady {
            announce(to: position)
            sendWeights(to: position)
        }
        guard table.hasFreeSlots else { return }
        let workers = readyCount
        for position in members.indices where members[position].hasWeights && members[position].lease == nil {
            lease(to: position, activeWorkers: workers, now: now)
        }
    }

    private mutating func announce(to position: Int) {
        guard members[position].planned != plan.step else { return }
        if !members.contains(where: { $0.planned == plan.step }) {
            report(.stepStarted(step: plan.step, workers: readyCount))
            noteStepBegin()
        }
        members[position].planned = plan.step
        actions.append(.send(.plan(plan), to: members[position].id))
    }

    private mutating func sendWeights(to position: Int) {
        let layout = weightsLayout
        while members[position].isAttached, members[position].nextChunk < layout.count {
            let chunk = members[position].nextChunk
            let bytes = layout.range(of: chunk)
            guard bytes.count <= members[position].credit else { return }
            members[position].credit -= bytes.count
            members[position].nextChunk += 1
            actions.append(.sendWeights(step: plan.step, chunk: chunk, bytes: bytes, to: members[position].id))
        }
    }

    private mutating func lease(to position: Int, activeWorkers: Int, now: Instant) {
        let session = members[position].id
        guard let block = table.grant(to: session, activeWorkers: activeWorkers, now: now) else { return }
        report(.leased(session, step: plan.step, block: block))
        start(block, at: position, now: now)
    }

    /// Gives overdue blocks to idle workers as well, once nothing is left to lease.
    mutating func duplicateOverdue(now: Instant) {
        guard phase == .running else { return }
        let (workers, cost) = (members, plan.relativeCost)
        for position in members.indices where members[position].hasWeights && members[position].lease == nil {
            let session = members[position].id
            let late = table.duplicate(
                for: session, now: now, floor: configuration.timing.heartbeat, overdue: configuration.timing.overdue
            ) { holder, block in
                workers.first { $0.id == holder }?.predictedTime(for: block, relativeCost: cost)
            }
            guard let late else { return }
            report(.duplicated(step: plan.step, block: late.block, slow: late.session, session: session))
            start(late.block, at: position, now: now)
        }
    }

    private mutating func start(_ block: SlotBlock, at position: Int, now: Instant) {
        members[position].lease = (block, now)
        members[position].lastProgress = now
        members[position].slotsDone = 0
        actions.append(.send(.lease(step: plan.step, block: block), to: members[position].id))
    }

    /// Merges a block as soon as its digest and all its bytes are there, and ends the step with the last one.
    mutating func merge(ifCompleteAt position: Int, now: Instant) {
        let member = members[position]
        guard let digest = member.digest, member.incoming?.isComplete == true, let (block, since) = member.lease else { return }
        guard verifyGradient(of: member, block: block, announced: digest) else { return }
        guard case .first(let others) = table.finish(block, by: member.id, digest: digest) else {
            preconditionFailure("\(block) of session \(member.id) is leased, but the table does not know")
        }
        actions.append(.mergeBlock(step: plan.step, block: block, from: member.id))
        let seconds = since.duration(to: now).inSeconds
        report(.blockFinished(member.id, step: plan.step, block: block, seconds: seconds))
        let latest = seconds / Double(block.count) / plan.relativeCost
        members[position].secondsPerSlot = member.secondsPerSlot.map { 0.7 * $0 + 0.3 * latest } ?? latest
        members[position].forgetLease()
        for other in members.indices where others.contains(members[other].id) {
            if members[other].incoming != nil { actions.append(.discardBlock(from: members[other].id)) }
            members[other].forgetLease()
            actions.append(.send(.revoke(step: plan.step, block: block), to: members[other].id))
        }
        guard table.isComplete else { return }
        phase = .finishing
        let blocks = table.finished.sorted { $0.block.slots.lowerBound < $1.block.slots.lowerBound }
        actions.append(.finishStep(step: plan.step, blocks: blocks))
    }
}

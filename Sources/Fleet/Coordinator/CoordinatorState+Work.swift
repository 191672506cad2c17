/// Who gets which bytes: runs after every event.
extension CoordinatorState {
    var weightsLayout: ChunkLayout {
        ChunkLayout(totalBytes: configuration.weightsBytes, chunkBytes: configuration.chunkBytes)
    }

    /// Does everything that has become possible.
    mutating func advance(now: Instant) {
        if phase == .gathering, readyCount >= max(1, configuration.minimumWorkers) { phase = .running }
        settle(now: now)
        guard phase == .running else { return }
        for position in members.indices where members[position].isReady {
            announce(to: position)
            sendWeights(to: position)
        }
        leaseFreeSlots(now: now)
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

    mutating func start(_ block: SlotBlock, at position: Int, now: Instant, isCheck: Bool = false) {
        members[position].leases += 1
        let number = members[position].leases
        members[position].lease = Assignment(block, number: number, since: now, isCheck: isCheck)
        members[position].lastProgress = now
        if members[position].checked == block { members[position].checked = nil }
        if !isCheck { members[position].blocks += 1 }
        actions.append(.send(.lease(step: plan.step, block: block, number: number), to: members[position].id))
    }

    /// Tells a worker that what it has in hand is no longer needed.
    func revoke(_ assignment: Assignment, of session: SessionID) -> Action {
        .send(.revoke(step: plan.step, block: assignment.block, number: assignment.number), to: session)
    }

    /// Merges a block as soon as its digest and all its bytes are there.
    mutating func merge(_ block: SlotBlock, ifCompleteAt position: Int, now: Instant) {
        let member = members[position]
        guard let assignment = member[block], let digest = assignment.digest, let computed = assignment.computed,
            assignment.incoming?.isComplete == true
        else { return }
        guard verifyGradient(assignment, of: member, announced: digest) else { return }
        guard case .first(let others) = table.finish(block, by: member.id, digest: digest) else {
            preconditionFailure("\(block) of session \(member.id) is leased, but the table does not know")
        }
        contributors.insert(member.hello.process)
        memory.noteContribution(member.hello.process, step: plan.step)
        memory.noteTransfer(member.hello.process, seconds: max(computed, member.lineFree).duration(to: now).inSeconds)
        noteUnchecked(block)
        actions.append(.mergeBlock(step: plan.step, block: block, from: member.id))
        report(.blockFinished(member.id, step: plan.step, block: block, seconds: assignment.since.duration(to: now).inSeconds))
        members[position].lineFree = now
        drop(block, at: position, now: now)
        for other in members.indices where others.contains(members[other].id) {
            guard let assignment = members[other][block] else { continue }
            if assignment.incoming != nil { actions.append(.discardBlock(from: members[other].id)) }
            drop(block, at: other, now: now)
            members[other].noteTaken(assignment, now: now, most: configuration.timing.liveness * 3)
            actions.append(revoke(assignment, of: members[other].id))
        }
    }

    /// A worker has a block no longer; if the next one is computed, its gradient may come now.
    private mutating func drop(_ block: SlotBlock, at position: Int, now: Instant) {
        members[position][block] = nil
        if members[position].upload == nil, members[position].lease?.digest != nil {
            members[position].upload = members[position].lease
            members[position].lease = nil
        }
    }
}

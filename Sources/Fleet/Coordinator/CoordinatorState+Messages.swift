/// What arrives: every message is checked against what the session may say now; the rest is dropped with a reason.
extension CoordinatorState {
    mutating func receive(_ message: ControlMessage, from session: SessionID, now: Instant) {
        if case .hello(let hello) = message { return greet(hello, from: session, now: now) }
        guard let position = position(of: session) else {
            if case .leave = message { return }
            if case .fault = message { return }
            drop("'\(message.name)' in a session that is not open", from: session)
            actions.append(.send(.helloAgain, to: session))
            return
        }
        members[position].noteHeard(now: now)
        switch message {
        case .hello: break
        case .canary(let canary):
            receive(canary, member: position)
        case .ready:
            guard mayBeReady(position) else { return drop("'ready' before its canary", from: session) }
            members[position].isReady = true
        case .heartbeat(let phase, let step, let slotsDone):
            guard step == plan.step, var lease = members[position].lease, lease.digest == nil else { break }
            if phase == .computing || phase == .fetching { lease.isConfirmed = true }
            if phase == .computing, slotsDone > lease.slotsDone, slotsDone <= lease.block.count {
                (lease.slotsDone, lease.lastSlot) = (slotsDone, now)
                members[position].noteWork()
                members[position].lastProgress = now
            }
            members[position].lease = lease
        case .credit(let bytes):
            guard bytes > 0, bytes <= configuration.creditBytes else {
                return offend("a credit of \(bytes) bytes", from: session)
            }
            members[position].credit = min(configuration.creditBytes, members[position].credit + bytes)
        case .weightsReceived(let step):
            guard step == plan.step, phase == .running else {
                return drop("weights of step \(step) received, but step \(plan.step) is in progress", from: session)
            }
            guard members[position].nextChunk == weightsLayout.count else {
                return drop("weights received before all were sent", from: session)
            }
            members[position].hasWeights = true
        case .samplesNeeded(let ids):
            guard ids.count <= ControlMessage.samplesPerRequest else {
                return offend("\(ids.count) samples in one request", from: session)
            }
            guard ids.allSatisfy({ (0..<configuration.sampleCount).contains($0) }) else {
                return offend("samples \(ids) of \(configuration.sampleCount)", from: session)
            }
            guard members[position].isAttached else { return drop("a request for samples before the bulk socket is there", from: session) }
            // Over a slow line a block's samples take longer than its computation.
            members[position].lastProgress = now
            for id in ids { actions.append(.sendSample(id: id, to: session)) }
        case .blockDone(let step, let block, let number, let digest, let bytes):
            finish(block, number: number, step: step, digest: digest, bytes: bytes, member: position, now: now)
        case .leave(let reason):
            leave(session, reason: reason.bounded())
        case .fault(let exitCode, let text):
            // One line for people; a peer must not be able to fill logs and messages.
            let text = text.bounded()
            let name = members[position].hello.name
            lose(session, reason: text)
            if [ExitCode.badData, ExitCode.diverged, ExitCode.configuration].contains(exitCode) {
                end(FleetExit(exitCode: exitCode, text: "worker \(name): \(text)"))
            }
        case .welcome, .refuse, .helloAgain, .coordinatorHeartbeat, .plan, .lease, .revoke, .coordinatorCredit, .bye:
            offend("'\(message.name)', which only a coordinator may say", from: session)
        }
    }

    mutating func receive(_ header: BulkHeader, from session: SessionID, now: Instant) {
        guard let position = position(of: session) else {
            drop("\(header.kind) in a session that is not open", from: session)
            return
        }
        guard header.session == session, header.runID == configuration.runID, header.generation == configuration.generation else {
            drop(
                "\(header.kind) of run \(header.runID.short), generation \(header.generation), session \(header.session.short)",
                from: session)
            return
        }
        members[position].noteHeard(now: now)
        switch header.kind {
        case .attach:
            members[position].isAttached = true
        case .gradient:
            guard header.payloadBytes > 0, header.payloadBytes <= configuration.chunkBytes else {
                return offend("a gradient chunk of \(header.payloadBytes) bytes", from: session)
            }
            // Every chunk took from the worker's credit, so every one gives it back, used or not.
            giveBack(header.payloadBytes, member: position)
            storeGradient(header, member: position, now: now)
        case .weights, .sample:
            offend("\(header.kind), which only a coordinator may send", from: session)
        }
    }

    /// Bytes that make no sense: over TCP that is no accident of the line. A chunk may be missing now, so the session starts afresh.
    mutating func malformed(_ reason: String, from session: SessionID?) {
        drop(reason, from: session)
        if let session { charge(session, reason: reason) }
        if let session { dismiss(session, reason: "sent what cannot be read: \(reason)") }
    }

    private mutating func storeGradient(_ header: BulkHeader, member position: Int, now: Instant) {
        let session = members[position].id
        guard header.step == plan.step else {
            return drop("gradient of step \(header.step), but step \(plan.step) is in progress", from: session)
        }
        guard phase == .running else { return drop("gradient of step \(header.step), which needs no more of them", from: session) }
        // Of a block that is only compared the digest is enough.
        if let block = header.block, members[position].checked == block || members[position][block]?.isCheck == true { return }
        guard let block = header.block, var assignment = members[position][block] else {
            return drop("gradient of level \(header.level), index \(header.index), which is not leased to the worker", from: session)
        }
        let layout = ChunkLayout(totalBytes: configuration.gradientBytes, chunkBytes: configuration.chunkBytes)
        if let problem = layout.problem(with: header) {
            return offend("gradient of \(block) with \(problem)", from: session)
        }
        // Over one connection gradients come one after the other; so one buffer for each session is enough.
        if let upload = members[position].upload, upload.block != block {
            return drop("gradient of \(block) before all of \(upload.block)", from: session)
        }
        var incoming = assignment.incoming ?? ChunkSet(layout)
        guard incoming.insert(header.chunk, checksum: header.payloadChecksum) else {
            return drop("chunk \(header.chunk) of \(block) once more", from: session)
        }
        assignment.incoming = incoming
        members[position][block] = assignment
        members[position].lastProgress = now
        actions.append(.storeChunk(header, from: session))
        merge(block, ifCompleteAt: position, now: now)
    }

    private mutating func finish(
        _ block: SlotBlock, number: Int, step: Int, digest: String, bytes: Int, member position: Int, now: Instant
    ) {
        let session = members[position].id
        guard digest.utf8.count <= Hello.longestText, digest.isOneLine else {
            return offend("\(block) with a digest of \(digest.utf8.count) bytes", from: session)
        }
        guard phase == .running, step == plan.step else {
            return drop("\(block) of step \(step), but step \(plan.step) is in progress", from: session)
        }
        guard bytes == configuration.gradientBytes else {
            return offend("\(block) with \(bytes) bytes of gradient instead of \(configuration.gradientBytes)", from: session)
        }
        if let assignment = members[position][block] {
            guard assignment.digest == nil, assignment.number == number else { return drop("\(block) done once more", from: session) }
            noteComputed(assignment, digest: digest, member: position, now: now)
        } else if table.finished.contains(where: { $0.block == block }) {
            guard !votes.of(block).contains(where: { $0.session == session }) else {
                return drop("\(block) done once more", from: session)
            }
            vote(digest, on: block, member: position)
            drop("\(block), finished by another worker before", from: session)
        } else {
            drop("\(block), which is not leased to the worker", from: session)
        }
    }
}

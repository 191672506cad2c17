import Fleet

/// What a coordinator does when its state machine asks for it.
extension CoordinatorLoop {
    func handle(_ event: CoordinatorState.Event, payload: Frame? = nil) {
        for action in state.handle(event, now: .current) where end == nil { perform(action, payload: payload) }
    }

    /// Says something to all sessions: those whose connection is gone cannot be reached.
    func probePeers() {
        let message = ControlMessage.coordinatorHeartbeat(generation: configuration.generation, step: nil)
        for session in peers.sessions { perform(.send(message, to: session), payload: nil) }
    }

    /// Does what the state machine asks for.
    private func perform(_ action: CoordinatorState.Action, payload: Frame?) {
        switch action {
        case .send(let message, let session):
            if case .welcome = message { peers.add(session) }
            let sent = control?.send([.bytes(session.routingID), .bytes(ControlCodec.encode(message))])
            // A thousand unread control messages: whoever is there does not listen any more.
            if sent != .sent { miss(session) }
        case .sendWeights(let step, let chunk, let bytes, let session):
            send(weights: step, chunk: chunk, bytes: bytes, to: session)
        case .sendSample(let id, let session):
            samples?.post(CoordinatorWork.SampleJob(id: id, session: session))
        case .storeChunk(let header, let session):
            guard let payload else { preconditionFailure("a chunk to store without message") }
            let buffer = buffers[session] ?? pool.take()
            buffers[session] = buffer
            payload.withBytes { buffer.copy($0, to: header.offset) }
        case .mergeBlock(let step, let block, let session):
            guard let buffer = buffers.removeValue(forKey: session) else { preconditionFailure("\(block) to merge without bytes") }
            unmerged += 1
            steps?.post(.merge(step: step, block: block, buffer))
        case .discardBlock(let session):
            buffers[session] = nil
        case .restartStep(let step):
            buffers = [:]
            steps?.post(.restart(step: step))
        case .finishStep(let step, let blocks):
            weights = nil
            steps?.post(.finish(step: step, blocks: blocks))
        case .closeSession(let session):
            buffers[session] = nil
            gate?.forget(session)
            outbox.remove(session)
            peers.remove(session)
        case .report(let event):
            delegate.report(event)
        case .finished(let exit):
            end = exit
        }
    }

    /// Notes that nothing can be sent to a session any more. What it said before, a farewell perhaps, may still be unread.
    func miss(_ session: SessionID) {
        if !missed.contains(session) { missed.append(session) }
    }

    /// Takes in the loss of sessions, once their last words have been read.
    func loseMissed() {
        guard !missed.isEmpty else { return }
        receiveControl()
        while end == nil, !missed.isEmpty {
            let sessions = missed
            missed = []
            handle(.unreachableTogether(sessions))
        }
    }
}

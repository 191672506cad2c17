/// Weights in, a block's gradient out.
extension WorkerState {
    mutating func receive(_ message: ControlMessage, now: Instant) {
        guard link == .greeting || isTakenIn else { return }
        lastHeard = now
        switch message {
        case .welcome(let welcome): return accept(welcome, now: now)
        case .refuse(let exitCode, let text): return end(exitCode, text.bounded(8000))
        case .bye(let exitCode, let text):
            // The coordinator waits for this before it closes its sockets.
            send(.leave(reason: text.bounded()))
            return end(exitCode, text.bounded(8000))
        case .helloAgain: return rejoin(reason: "the coordinator dropped the session", now: now)
        default: break
        }
        guard isTakenIn, let welcome else { return drop("'\(message.name)' before the welcome") }
        switch message {
        case .coordinatorHeartbeat(let generation, _):
            guard generation == welcome.generation else {
                return rejoin(reason: "the coordinator is of generation \(generation) now", now: now)
            }
        case .coordinatorCredit(let bytes):
            guard bytes > 0, bytes <= welcome.creditBytes else { return drop("a credit of \(bytes) bytes") }
            credit = min(welcome.creditBytes, credit + bytes)
            sendGradients()
        case .plan(let next):
            follow(next)
        case .lease(let step, let block, let number):
            begin(step: step, block: block, number: number)
        case .revoke(_, _, let number):
            if upload?.number == number { abandonUpload() }
            if work?.number == number { abandonBlock() }
            sendGradients()
        case .hello, .canary, .ready, .heartbeat, .credit, .weightsReceived, .samplesNeeded, .blockDone, .leave, .fault, .welcome, .refuse,
            .helloAgain, .bye:
            drop("'\(message.name)', which only a worker may say")
        }
    }

    mutating func receive(_ header: BulkHeader, now: Instant) {
        guard isTakenIn, let welcome else { return drop("\(header.kind) before the welcome") }
        guard header.session == session, header.runID == welcome.runID, header.generation == welcome.generation else {
            return drop("\(header.kind) of run \(header.runID.short), generation \(header.generation), session \(header.session.short)")
        }
        lastHeard = now
        switch header.kind {
        case .weights: storeWeights(header, welcome)
        case .sample: storeSample(header, welcome)
        case .gradient, .attach: drop("\(header.kind), which only a worker may send")
        }
    }

    // MARK: Plan and weights

    private mutating func follow(_ next: StepPlan) {
        if let plan, next.step <= plan.step { return drop("plan of step \(next.step) after that of step \(plan.step)") }
        guard (1...1 << 31).contains(next.slots), next.slots & (next.slots - 1) == 0 else {
            return drop("a plan with \(next.slots) slots, which is no power of two or too many")
        }
        abandonWork()
        plan = next
        actions.append(.checkPlan(next))
    }

    private mutating func storeWeights(_ header: BulkHeader, _ welcome: Welcome) {
        let layout = ChunkLayout(totalBytes: welcome.weightsBytes, chunkBytes: welcome.chunkBytes)
        if let problem = layout.problem(with: header) { return drop("weights of step \(header.step) with \(problem)") }
        // Every chunk took from the coordinator's credit, so every one gives it back, used or not.
        defer { giveBack(header.payloadBytes, welcome) }
        if let plan, header.step < plan.step { return drop("weights of step \(header.step), but step \(plan.step) is planned") }
        if weights.map({ $0.step < header.step }) ?? true {
            // They may overtake the plan. Whatever is in work has lost its weights with this.
            abandonWork()
            weights = (header.step, ChunkSet(layout))
        }
        guard weights?.step == header.step, weights?.chunks.insert(header.chunk) == true else {
            return drop("chunk \(header.chunk) of the weights of step \(header.step) once more")
        }
        actions.append(.storeWeights(header))
        if weights?.chunks.isComplete == true { send(.weightsReceived(step: header.step)) }
    }

    // MARK: A block

    private mutating func begin(step: Int, block: SlotBlock, number: Int) {
        guard let plan, plan.step == step, SlotBlock.all(slots: plan.slots).contains(block) else {
            return drop("lease of \(block) of step \(step), which is not the planned one")
        }
        guard weights?.step == step, weights?.chunks.isComplete == true else {
            return drop("lease of \(block) of step \(step) before its weights are here")
        }
        guard number > newestLease else { return drop("lease \(number) of \(block) once more") }
        guard work == nil else { return drop("lease of \(block) while another block is in work") }
        newestLease = number
        work = Work(step: step, block: block, number: number)
        report(.leased(step: step, block: block))
        actions.append(.prepare(step: step, block: block))
    }

    mutating func prepared(step: Int, block: SlotBlock) {
        guard let current = work, current.step == step, current.block == block, current.stage == .preparing else { return }
        compute(current)
    }

    private mutating func compute(_ current: Work) {
        work?.stage = .computing
        actions.append(.compute(step: current.step, block: current.block))
        // If the block kills this process, the coordinator shall know what it was at.
        send(.heartbeat(phase: .computing, step: current.step, slotsDone: 0))
    }

    func isComputing(step: Int, block: SlotBlock) -> Bool {
        work?.step == step && work?.block == block && work?.stage == .computing
    }

    mutating func computed(step: Int, block: SlotBlock, digest: String, bytes: Int) {
        guard isComputing(step: step, block: block), let current = work, let welcome else {
            if upload?.block != block { actions.append(.releaseGradient(block)) }
            return
        }
        guard bytes == welcome.gradientBytes else {
            return fail(ExitCode.software, "the gradient of \(block) has \(bytes) bytes; the run's has \(welcome.gradientBytes)")
        }
        report(.finishedBlock(step: step, block: block, digest: digest))
        work?.stage = .computed
        work?.slotsDone = block.count
        send(.blockDone(step: step, block: block, number: current.number, digest: digest, bytes: bytes))
        sendGradients()
    }

    /// Sends what the coordinator has given credit for, one gradient after the other.
    private mutating func sendGradients() {
        guard let welcome else { return }
        let layout = ChunkLayout(totalBytes: welcome.gradientBytes, chunkBytes: welcome.chunkBytes)
        while true {
            if upload == nil, let current = work, current.stage == .computed {
                upload = Upload(step: current.step, block: current.block, number: current.number)
                work = nil
            }
            guard let current = upload else { return }
            let bytes = layout.range(of: current.nextChunk)
            guard bytes.count <= credit else { return }
            credit -= bytes.count
            actions.append(
                .sendGradient(
                    BulkHeader(
                        kind: .gradient, runID: welcome.runID, generation: welcome.generation, session: session,
                        step: current.step, level: current.block.level, index: current.block.index, chunk: current.nextChunk,
                        chunkCount: layout.count, offset: bytes.lowerBound, payloadBytes: bytes.count,
                        totalBytes: layout.totalBytes)))
            upload?.nextChunk += 1
            guard current.nextChunk + 1 == layout.count else { continue }
            actions.append(.releaseGradient(current.block))
            upload = nil
        }
    }

    /// Drops everything in work, whatever its stage.
    mutating func abandonWork() {
        abandonUpload()
        abandonBlock()
    }

    private mutating func abandonUpload() {
        guard let current = upload else { return }
        upload = nil
        report(.cancelled(step: current.step, block: current.block))
        actions.append(.releaseGradient(current.block))
    }

    private mutating func abandonBlock() {
        guard let current = work else { return }
        work = nil
        report(.cancelled(step: current.step, block: current.block))
        switch current.stage {
        case .preparing, .fetching: break
        case .computing: actions.append(.cancel)
        case .computed: actions.append(.releaseGradient(current.block))
        }
    }

    // MARK: Samples

    mutating func fetch(_ ids: [Int], step: Int, block: SlotBlock) {
        guard let current = work, current.step == step, current.block == block, current.stage == .preparing else { return }
        guard !ids.isEmpty else { return compute(current) }
        work?.stage = .fetching
        work?.wanted = ids
        requestSamples()
    }

    private mutating func requestSamples() {
        guard let ids = work?.wanted.prefix(ControlMessage.samplesPerRequest), !ids.isEmpty else { return }
        work?.wanted.removeFirst(ids.count)
        work?.pending = ids.map { ($0, nil) }
        send(.samplesNeeded(ids: Array(ids)))
    }

    private mutating func storeSample(_ header: BulkHeader, _ welcome: Welcome) {
        guard header.totalBytes <= ControlMessage.largestSample else {
            return drop("sample \(header.index) of \(header.totalBytes) bytes")
        }
        let layout = ChunkLayout(totalBytes: header.totalBytes, chunkBytes: welcome.chunkBytes)
        if let problem = layout.problem(with: header) { return drop("sample \(header.index) with \(problem)") }
        guard let place = work?.pending.firstIndex(where: { $0.id == header.index }) else {
            return drop("sample \(header.index), which was not asked for")
        }
        var chunks = work?.pending[place].chunks ?? ChunkSet(layout)
        guard chunks.layout == layout, chunks.insert(header.chunk) else {
            return drop("chunk \(header.chunk) of sample \(header.index) once more")
        }
        work?.pending[place].chunks = chunks
        actions.append(.storeSample(header, isComplete: chunks.isComplete))
        guard chunks.isComplete else { return }
        work?.pending.remove(at: place)
        guard work?.pending.isEmpty == true else { return }
        if work?.wanted.isEmpty == false { requestSamples() } else if let current = work { compute(current) }
    }
}

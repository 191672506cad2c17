import Checksums
import Fleet

/// The coordinator's process in the simulation: drives the production `CoordinatorState` as `CoordinatorLoop` and `CoordinatorRun` do, with toy
/// weights, a real slot tree and real digests. Its checks are in SimulatedCoordinator+Steps.swift.
final class SimulatedCoordinator {
    /// Where in the commit of a step the process dies.
    enum CrashPoint: CaseIterable { case beforeLine, withinLine, afterLine }

    unowned let simulator: Simulator
    let generation: UInt64
    var state: CoordinatorState
    var isAlive = true
    var crashPoint: CrashPoint?
    var inbox = Inbox()
    /// Handled first after a pause.
    private var pending: CoordinatorState.Event?

    var weights: ToyTraining.Vector
    var audit: ToyTraining.Audit
    var step: Int
    var journal: Journal
    var tree: SlotTree<ToyTraining.Vector>
    var root: ToyTraining.Vector?
    var ledger: LeaseLedger
    /// Gradients on their way in.
    var buffers: [SessionID: [UInt8]] = [:]
    var writesCheckpoint = false

    /// Starts as `CoordinatorRun` does: takes the next generation, reads journal and checkpoint.
    init(simulator: Simulator) throws(JournalError) {
        self.simulator = simulator
        let scenario = simulator.scenario
        simulator.disk.generation += 1
        generation = simulator.disk.generation
        journal = try simulator.disk.readJournal()
        let checkpoint = simulator.disk.checkpoint
        (weights, audit, step) = (checkpoint.weights, checkpoint.audit, checkpoint.step)
        let training = simulator.training
        var configuration = CoordinatorConfiguration(
            runID: RunID(high: 7, low: scenario.seed), generation: generation, buildVersion: "simulated", numericClass: "simulated",
            configuration: "seed: \(scenario.seed)", datasetFingerprint: "toy", sampleCount: training.sampleCount,
            weightsBytes: ToyTraining.vectorBytes, gradientBytes: ToyTraining.vectorBytes)
        configuration.chunkBytes = ToyTraining.chunkBytes
        configuration.creditBytes = ToyTraining.chunkBytes
        configuration.poisonLosses = scenario.poisonLosses
        configuration.auditShare = scenario.auditShare
        configuration.minimumWorkers = scenario.minimumWorkers
        state = CoordinatorState(configuration: configuration, plan: training.plan(step), now: simulator.now)
        tree = SlotTree(slots: scenario.slots)
        ledger = LeaseLedger(slots: scenario.slots)
        planTick()
    }

    /// As the loop does it: a tick when the machine wants one.
    private func planTick() {
        simulator.at(state.nextTick) { [weak self] in
            guard let self, isAlive else { return }
            if inbox.isStopped {
                _ = inbox.keeps { [unowned self] in tickIfDue() }
            } else {
                tickIfDue()
            }
        }
    }

    private func tickIfDue() {
        guard isAlive else { return }
        if simulator.now >= state.nextTick { handle(.tick) }
        planTick()
    }

    // MARK: Stopping and going on

    func pause(_ duration: Duration) {
        let end = simulator.now + duration
        guard inbox.stop(until: end) else { return }
        simulator.at(end) { [weak self] in self?.wake() }
    }

    private func wake() {
        guard isAlive, inbox.wake(now: simulator.now) else { return }
        if let event = pending {
            pending = nil
            handle(event)
        }
        while isAlive, let event = inbox.take() { event() }
    }

    func crash() {
        isAlive = false
        inbox.removeAll()
    }

    // MARK: Events and actions

    /// Takes in an event, now or when the process runs again.
    func deliver(_ event: CoordinatorState.Event, payload: [UInt8] = []) {
        guard isAlive, !inbox.keeps({ [unowned self] in handle(event, payload: payload) }) else { return }
        handle(event, payload: payload)
    }

    private func handle(_ event: CoordinatorState.Event, payload: [UInt8] = []) {
        guard isAlive, !simulator.isOver else { return }
        simulator.countEvent()
        simulator.note { "coordinator <- \(event)" }
        for action in state.handle(event, now: simulator.now) {
            simulator.note { "coordinator -> \(action)" }
            perform(action, payload: payload)
            guard isAlive else { return }
        }
        checkMemory()
    }

    private func perform(_ action: CoordinatorState.Action, payload: [UInt8]) {
        switch action {
        case .send(let message, let session):
            switch message {
            case .lease(let step, let block, _): noteLease(step: step, block: block, to: session)
            case .revoke(_, let block, _): ledger.end(session, block)
            default: break
            }
            send(to: session, .controlToWorker) { $0.deliver(.control(message)) }
        case .sendWeights(let step, let chunk, let bytes, let session):
            if step != self.step { simulator.violate(.sameWeights, "weights of step \(step) asked for in step \(self.step)") }
            let header = header(.weights, to: session, step: step, total: ToyTraining.vectorBytes, chunk: chunk)
            let payload = Array(ToyTraining.pack(weights)[bytes])
            send(to: session, .bulkToWorker) { $0.deliver(.bulk(header), payload: payload) }
        case .sendSample(let id, let session):
            let sample = simulator.training.bytes(ofSample: id)
            let layout = ChunkLayout(totalBytes: sample.count, chunkBytes: ToyTraining.chunkBytes)
            for chunk in 0..<layout.count {
                let header = header(.sample, to: session, index: id, total: sample.count, chunk: chunk)
                let payload = Array(sample[layout.range(of: chunk)])
                send(to: session, .bulkToWorker) { $0.deliver(.bulk(header), payload: payload) }
            }
        case .storeChunk(let header, let session): store(header, payload, from: session)
        case .mergeBlock(let step, let block, let session): merge(step: step, block: block, from: session)
        case .discardBlock(let session): buffers[session] = nil
        case .restartStep(let step): restart(step: step)
        case .finishStep(let step, let blocks):
            guard let committed = finish(step: step, blocks: blocks) else { return }
            pending = committed
            pause(simulator.random.seconds(0...0.5))
        case .closeSession(let session):
            buffers[session] = nil
            ledger.end(session)
        case .report(let event): simulator.report(event)
        case .finished(let exit):
            isAlive = false
            if exit.exitCode == ExitCode.done || exit.exitCode == ExitCode.preempted { publish(checkpoint) }
            simulator.coordinatorEnded(exit)
        }
    }

    /// Sends; a peer that is gone is noticed at once, but taken in only after what it said before.
    private func send(to session: SessionID, _ way: Way, _ deliver: @escaping (SimulatedWorker) -> Void) {
        guard !simulator.toWorker(session, way, deliver) else { return }
        simulator.after(.zero) { [weak self] in self?.deliver(.unreachable(session)) }
    }

    private func header(
        _ kind: BulkKind, to session: SessionID, step: Int = 0, index: Int = 0, total: Int, chunk: Int
    ) -> BulkHeader {
        let layout = ChunkLayout(totalBytes: total, chunkBytes: ToyTraining.chunkBytes)
        let range = layout.range(of: chunk)
        return BulkHeader(
            kind: kind, runID: state.configuration.runID, generation: generation, session: session, step: step, index: index,
            chunk: chunk, chunkCount: layout.count, offset: range.lowerBound, payloadBytes: range.count, totalBytes: total)
    }
}

import Fleet

/// The coordinator's driver in the simulation: toy weights, a real slot tree, and a disk that survives crashes.
final class SimulatedCoordinator {
    /// What a crash leaves behind: a checkpoint every third step.
    struct Disk {
        var generation: UInt64 = 0
        var step = 0
        var weights = Toy.firstWeights
    }

    unowned let simulator: Simulator
    var isAlive = true
    private var state: CoordinatorState
    private var weights: [Float]
    private var step: Int
    private var tree: SlotTree<[Float]>
    private var root: [Float]?
    private var merged: [Int]
    private var buffers: [SessionID: [UInt8]] = [:]

    static func configuration(of setup: Simulator.Setup, generation: UInt64) -> CoordinatorConfiguration {
        var configuration = CoordinatorConfiguration(
            runID: RunID(high: 7, low: setup.seed), generation: generation, buildVersion: "test", numericClass: "toy",
            configuration: "toy: true", datasetFingerprint: "toy", sampleCount: Toy.samples, weightsBytes: Toy.bytes,
            gradientBytes: Toy.bytes)
        configuration.chunkBytes = 8
        configuration.creditBytes = 8
        configuration.poisonLosses = setup.poisonLosses
        configuration.minimumWorkers = setup.minimumWorkers
        return configuration
    }

    init(simulator: Simulator) {
        self.simulator = simulator
        let setup = simulator.setup
        simulator.disk.generation += 1
        weights = simulator.disk.weights
        step = simulator.disk.step
        state = CoordinatorState(
            configuration: Self.configuration(of: setup, generation: simulator.disk.generation),
            plan: Toy.plan(step: simulator.disk.step, slots: setup.slots), now: simulator.now)
        tree = SlotTree(slots: setup.slots)
        merged = Array(repeating: 0, count: setup.slots)
        tick()
    }

    private func tick() {
        simulator.at(state.nextTick) { [weak self] in
            guard let self, isAlive else { return }
            handle(.tick)
            tick()
        }
    }

    func handle(_ event: CoordinatorState.Event, payload: [UInt8] = []) {
        var events = [event]
        while isAlive, !events.isEmpty {
            let event = events.removeFirst()
            for action in state.handle(event, now: simulator.now) {
                switch action {
                case .send(let message, let session):
                    let sent = simulator.toWorker(session, kind: .control) { $0.handle(.control(message)) }
                    if !sent { events.append(.unreachable(session)) }
                case .sendWeights(let step, let chunk, let bytes, let session):
                    if step != self.step { simulator.complaints.append("weights of step \(step) asked for in step \(self.step)") }
                    let header = header(
                        .weights, to: session, step: step, layout: .init(totalBytes: Toy.bytes, chunkBytes: 8), chunk: chunk)
                    let payload = Array(Toy.pack(weights)[bytes])
                    let sent = simulator.toWorker(session, kind: .bulk) { $0.handle(.bulk(header), payload: payload) }
                    if !sent { events.append(.unreachable(session)) }
                case .sendSample(let id, let session):
                    let sample = Toy.sample(id)
                    let layout = ChunkLayout(totalBytes: sample.count, chunkBytes: 8)
                    for chunk in 0..<layout.count {
                        let header = header(.sample, to: session, index: id, layout: layout, chunk: chunk)
                        let payload = Array(sample[layout.range(of: chunk)])
                        _ = simulator.toWorker(session, kind: .bulk) { $0.handle(.bulk(header), payload: payload) }
                    }
                case .storeChunk(let header, let session):
                    var buffer = buffers[session] ?? Array(repeating: 0, count: Toy.bytes)
                    buffer.replaceSubrange(header.offset..<header.offset + payload.count, with: payload)
                    buffers[session] = buffer
                case .mergeBlock(let step, let block, let session):
                    merge(step: step, block: block, bytes: buffers.removeValue(forKey: session))
                case .discardBlock(let session):
                    buffers[session] = nil
                case .finishStep(let step, let blocks):
                    events.append(.stepCommitted(next: finish(step: step, blocks: blocks)))
                case .closeSession(let session):
                    buffers[session] = nil
                case .report(let event):
                    simulator.events.append(event)
                case .finished(let exit):
                    simulator.exit = exit
                    isAlive = false
                    if exit.exitCode == 0, weights.map(\.bitPattern) != simulator.expected.weights.map(\.bitPattern) {
                        simulator.complaints.append("final weights \(weights) differ")
                    }
                }
            }
        }
    }

    private func header(
        _ kind: BulkKind, to session: SessionID, step: Int = 0, index: Int = 0, layout: ChunkLayout, chunk: Int
    ) -> BulkHeader {
        let range = layout.range(of: chunk)
        return BulkHeader(
            kind: kind, runID: state.configuration.runID, generation: state.configuration.generation, session: session, step: step,
            index: index, chunk: chunk, chunkCount: layout.count, offset: range.lowerBound, payloadBytes: range.count,
            totalBytes: layout.totalBytes)
    }

    private func merge(step: Int, block: SlotBlock, bytes: [UInt8]?) {
        guard let bytes, step == self.step else {
            simulator.complaints.append("\(block) of step \(step) merged without bytes, or in step \(self.step)")
            return
        }
        for slot in block.slots { merged[slot] += 1 }
        guard merged.allSatisfy({ $0 <= 1 }) else {
            simulator.complaints.append("\(block) of step \(step) merged twice: \(merged)")
            return
        }
        root = tree.insert(Toy.unpack(bytes), at: block, combine: Toy.add)
    }

    private func finish(step: Int, blocks: [LeaseTable.Finished]) -> StepPlan? {
        let setup = simulator.setup
        if let root {
            if root.map(\.bitPattern) != simulator.expected.roots[step].map(\.bitPattern) {
                simulator.complaints.append("step \(step): root \(root) instead of \(simulator.expected.roots[step])")
            }
            weights = Toy.update(weights, with: root)
        } else {
            simulator.complaints.append("step \(step) finished without root: \(merged)")
        }
        if merged != Array(repeating: 1, count: setup.slots) { simulator.complaints.append("step \(step) merged \(merged)") }
        let covered = blocks.flatMap { Array($0.block.slots) }
        if covered != Array(0..<setup.slots) { simulator.complaints.append("step \(step): blocks cover \(covered)") }
        self.step += 1
        if self.step % 3 == 0 {
            simulator.disk.step = self.step
            simulator.disk.weights = weights
        }
        root = nil
        tree.removeAll()
        merged = Array(repeating: 0, count: setup.slots)
        return self.step == setup.steps ? nil : Toy.plan(step: self.step, slots: setup.slots)
    }
}

import Fleet

/// A worker's driver in the simulation.
final class SimulatedWorker {
    unowned let simulator: Simulator
    let number: Int
    var isReliable = false
    var exit: FleetExit?
    private(set) var link: Simulator.Link?
    private var state: WorkerState?
    private var crashed = false
    private var hangs = false
    private var weights: (step: Int, bytes: [UInt8])?
    private var samples: [Int: [UInt8]] = [:]
    private var halfSamples: [Int: [UInt8]] = [:]
    private var gradient: [UInt8]?
    /// Counts computations: a cancelled one no longer has the current number.
    private var computation = 0
    private let hasData: Bool
    private let slotTime: Duration

    init(simulator: Simulator, number: Int) {
        self.simulator = simulator
        self.number = number
        hasData = simulator.random.chance(0.5)
        slotTime = simulator.random.seconds(simulator.setup.slotSeconds)
    }

    var hasEnded: Bool { crashed || exit != nil }

    func start() {
        let hello = Hello(
            buildVersion: "test", numericClass: "toy", hostName: "host\(number)", processID: number,
            process: SessionID(high: simulator.setup.seed, low: UInt64(number)), threads: 1, datasetFingerprint: hasData ? "toy" : nil)
        state = WorkerState(hello: hello, address: "simulated", now: simulator.now)
        handle(.tick)
        tick()
    }

    private func tick() {
        guard let state else { return }
        simulator.at(state.nextTick) { [weak self] in
            guard let self, !hasEnded else { return }
            handle(.tick)
            tick()
        }
    }

    // MARK: Faults

    func crash() {
        guard !isReliable else { return }
        crashed = true
        close()
    }

    func stop() { if !isReliable { handle(.stop(reason: "told to stop")) } }
    func hang() { hangs = !isReliable }

    func linkBroke(_ broken: Simulator.Link) {
        if broken === link { handle(.disconnected(reason: "connection lost")) }
    }

    private func close() {
        // What is on its way to the coordinator still arrives; the coordinator's next message to this session fails.
        link?.isOpen = false
        link = nil
    }

    // MARK: Events and actions

    func handle(_ event: WorkerState.Event, payload: [UInt8] = []) {
        guard !hasEnded, state != nil else { return }
        var events = [event]
        while !events.isEmpty, !hasEnded, let actions = state?.handle(events.removeFirst(), now: simulator.now) {
            for action in actions {
                switch action {
                case .open(let session):
                    let link = Simulator.Link(session: session, worker: self)
                    simulator.links.append(link)
                    self.link = link
                    if simulator.coordinator == nil { simulator.cut(link, silently: false) }
                case .openBulk(_, let attach):
                    sendBulk(attach)
                case .close: close()
                case .send(let message):
                    guard let link else { break }
                    simulator.toCoordinator(on: link, kind: .control) { $0.handle(.control(message, from: link.session)) }
                case .buildModel:
                    simulator.after(simulator.random.seconds(0.1...2)) { [weak self] in self?.handle(.modelReady) }
                case .checkPlan(let plan):
                    if let difference = plan.difference(from: Toy.plan(step: plan.step, slots: simulator.setup.slots)) {
                        events.append(.planRefused(text: difference))
                    }
                case .storeWeights(let header):
                    if weights?.step != header.step { weights = (header.step, Array(repeating: 0, count: Toy.bytes)) }
                    weights?.bytes.replaceSubrange(header.offset..<header.offset + payload.count, with: payload)
                case .storeSample(let header, let isComplete):
                    halfSamples[header.index, default: Array(repeating: 0, count: header.totalBytes)]
                        .replaceSubrange(header.offset..<header.offset + payload.count, with: payload)
                    if isComplete { samples[header.index] = halfSamples.removeValue(forKey: header.index) }
                case .prepare(let step, let block):
                    let ids = block.slots.flatMap { Toy.sampleIDs(step: step, slot: $0) }
                    let missing = hasData ? [] : ids.filter { samples[$0] == nil }
                    events.append(
                        missing.isEmpty
                            ? .prepared(step: step, block: block) : .samplesMissing(step: step, block: block, ids: missing.deduplicated()))
                case .compute(let step, let block): compute(step: step, block: block)
                case .cancel: computation += 1
                case .sendGradient(let header): sendBulk(header)
                case .releaseGradient: gradient = nil
                case .report: break
                case .finished(let exit): self.exit = exit
                }
            }
        }
    }

    private func sendBulk(_ header: BulkHeader) {
        guard let link else { return }
        var payload: [UInt8] = []
        if header.kind == .gradient {
            guard let gradient else { return simulator.complaints.append("gradient sent that is not there") }
            payload = Array(gradient[header.offset..<header.offset + header.payloadBytes])
        }
        simulator.toCoordinator(on: link, kind: .bulk) { $0.handle(.bulk(header, from: link.session), payload: payload) }
    }

    private func compute(step: Int, block: SlotBlock) {
        guard let weights, weights.step == step else { return simulator.complaints.append("computing step \(step) without its weights") }
        computation += 1
        if hangs { return }
        let mine = computation
        let values = Toy.unpack(weights.bytes)
        for (done, slot) in block.slots.enumerated() {
            simulator.after(slotTime * (done + 1)) { [weak self] in
                guard let self, computation == mine, !hasEnded else { return }
                if slot == simulator.setup.poisonedSlot { return crash() }
                handle(.progress(step: step, block: block, slotsDone: done + 1))
            }
        }
        simulator.after(slotTime * block.count + .milliseconds(1)) { [weak self] in
            guard let self, computation == mine, !hasEnded else { return }
            var sum = Toy.gradient(of: block) { slot in
                let bytes = Toy.sampleIDs(step: step, slot: slot).map { id in self.hasData ? Toy.sample(id) : self.samples[id] ?? [] }
                return Toy.slotGradient(weights: values, step: step, slot: slot, samples: bytes)
            }
            if number == simulator.setup.faultyWorker { sum[0] += 1 }
            gradient = Toy.pack(sum)
            handle(.blockComputed(step: step, block: block, digest: "\(sum.map(\.bitPattern))", bytes: Toy.bytes))
        }
    }
}

extension Array where Element: Hashable {
    /// The elements in order, each once.
    func deduplicated() -> [Element] {
        var seen: Set<Element> = []
        return filter { seen.insert($0).inserted }
    }
}

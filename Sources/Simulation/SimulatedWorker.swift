import Fleet

/// A worker process in the simulation: drives the production `WorkerState` as `WorkerLoop` and the training task do.
final class SimulatedWorker {
    unowned let simulator: Simulator
    let number: Int
    private(set) var exit: FleetExit?
    private(set) var hasCrashed = false
    private(set) var link: Link?
    private var state: WorkerState?
    private var inbox = Inbox()
    /// It dies as soon as it is in this state.
    private var doomedPhase: WorkerPhase?
    private var hangs = false
    private var slotTime: Duration
    private let hasData: Bool
    /// Derives the plans; the coordinator's own unless the worker has another configuration.
    private let training: ToyTraining

    private var plan: StepPlan?
    private var weights: (step: Int, bytes: [UInt8])?
    private var samples: [Int: [UInt8]] = [:]
    private var halfSamples: [Int: [UInt8]] = [:]
    private var gradient: [UInt8]?
    /// Counts computations: a cancelled one no longer has the current number.
    private var computation = 0

    init(simulator: Simulator, number: Int) {
        self.simulator = simulator
        self.number = number
        let scenario = simulator.scenario
        hasData = simulator.random.chance(scenario.datasetShare)
        slotTime = simulator.random.seconds(scenario.slotSeconds)
        training =
            number == scenario.differingWorker
            ? ToyTraining(seed: scenario.seed ^ 1, slots: scenario.slots) : simulator.training
    }

    var hasEnded: Bool { hasCrashed || exit != nil }
    var isWorking: Bool { !hasEnded && state != nil }

    func start() {
        guard !hasEnded else { return }
        let seed = simulator.scenario.seed
        let hello = Hello(
            buildVersion: "simulated", numericClass: "simulated", hostName: "host\(number)", processID: number,
            process: SessionID(high: mix(seed), low: mix(seed ^ mix(UInt64(number)))), threads: 1, datasetFingerprint: hasData ? "toy" : nil)
        state = WorkerState(hello: hello, address: "simulated", now: simulator.now)
        tick()
    }

    private func tick() {
        guard !hasEnded, let state else { return }
        // As the loop does it: a tick when the machine wants one and nothing else happened before.
        if simulator.now >= state.nextTick { handle(.tick) }
        guard !hasEnded, let next = self.state?.nextTick else { return }
        simulator.at(next) { [weak self] in
            guard let self, !hasEnded, !inbox.keeps({ [unowned self] in tick() }) else { return }
            tick()
        }
    }

    // MARK: Faults

    func crash() {
        guard !hasEnded else { return }
        hasCrashed = true
        inbox.removeAll()
        if let link { simulator.peerVanished(link) }
        link = nil
        samples = [:]
    }

    func crash(in phase: WorkerPhase) { doomedPhase = phase }
    func hang() { hangs = true }
    func slow(by factor: Double) { slotTime = min(slotTime * factor, .seconds(120)) }
    func stop() { deliver(.stop(reason: "told to stop")) }

    func pause(_ duration: Duration) {
        let end = simulator.now + duration
        guard inbox.stop(until: end) else { return }
        simulator.at(end) { [weak self] in
            guard let self, !hasEnded, inbox.wake(now: simulator.now) else { return }
            while !hasEnded, let event = inbox.take() { event() }
        }
    }

    /// The process notices that a connection is gone.
    func linkBroke(_ broken: Link) {
        after(.zero) { if broken === $0.link { $0.handle(.disconnected(reason: "connection lost")) } }
    }

    // MARK: Events

    /// Does something later, when the process runs.
    private func after(_ delay: Duration, _ body: @escaping (SimulatedWorker) -> Void) {
        simulator.after(delay) { [weak self] in
            guard let self, isWorking, !inbox.keeps({ [unowned self] in body(self) }) else { return }
            body(self)
        }
    }

    /// Takes in an event, now or when the process runs again.
    func deliver(_ event: WorkerState.Event, payload: [UInt8] = []) {
        guard isWorking, !inbox.keeps({ [unowned self] in handle(event, payload: payload) }) else { return }
        handle(event, payload: payload)
    }

    /// A message of a session: nobody reads it after the session.
    func receive(_ link: Link, _ body: @escaping (SimulatedWorker) -> Void) {
        guard isWorking else { return }
        let read = { [unowned self] in if link === self.link { body(self) } }
        if !inbox.keeps(read) { read() }
    }

    private func handle(_ event: WorkerState.Event, payload: [UInt8] = []) {
        var events = [event]
        while !events.isEmpty, isWorking, !simulator.isOver {
            let event = events.removeFirst()
            simulator.countEvent()
            simulator.note { "worker \(number) <- \(event)" }
            guard let actions = state?.handle(event, now: simulator.now) else { return }
            for action in actions {
                simulator.note { "worker \(number) -> \(action)" }
                if let followUp = perform(action, payload: payload) { events.append(followUp) }
            }
        }
        if let doomedPhase, let state, state.phase == doomedPhase, !hasEnded { crash() }
    }

    private func perform(_ action: WorkerState.Action, payload: [UInt8]) -> WorkerState.Event? {
        switch action {
        case .open(let session): link = simulator.connect(self, session: session)
        case .openBulk(_, let attach): sendBulk(attach)
        case .close:
            if let link { simulator.close(link) }
            (link, weights, plan, samples, halfSamples) = (nil, nil, nil, [:], [:])
        case .send(let message):
            guard let link else { break }
            let session = link.session
            simulator.toCoordinator(link, .controlToCoordinator) { $0.deliver(.control(message, from: session)) }
        case .buildModel: after(simulator.random.seconds(0.1...2)) { $0.handle(.modelReady) }
        case .checkPlan(let plan):
            let own = training.plan(plan.step)
            if let difference = plan.difference(from: own) { return .planRefused(text: difference) }
            self.plan = own
        case .storeWeights(let header):
            if weights?.step != header.step { weights = (header.step, Array(repeating: 0, count: ToyTraining.vectorBytes)) }
            weights?.bytes.replaceSubrange(header.offset..<header.offset + payload.count, with: payload)
        case .storeSample(let header, let isComplete):
            halfSamples[header.index, default: Array(repeating: 0, count: header.totalBytes)]
                .replaceSubrange(header.offset..<header.offset + payload.count, with: payload)
            if isComplete { samples[header.index] = halfSamples.removeValue(forKey: header.index) }
        case .prepare(let step, let block):
            let missing = hasData ? [] : block.slots.flatMap { training.samples(step: step, slot: $0) }.filter { samples[$0] == nil }
            return missing.isEmpty ? .prepared(step: step, block: block) : .samplesMissing(step: step, block: block, ids: missing)
        case .compute(let step, let block): compute(step: step, block: block)
        case .cancel: computation += 1
        case .sendGradient(let header): sendBulk(header)
        case .releaseGradient: gradient = nil
        case .report: break
        case .finished(let exit):
            self.exit = exit
            simulator.workerEnded(self, exit)
        }
        return nil
    }

    private func sendBulk(_ header: BulkHeader) {
        guard let link else { return }
        var (header, payload) = (header, [UInt8]())
        if header.kind == .gradient {
            guard let gradient else { return simulator.violate(.reference, "worker \(number) sends a gradient that is not there") }
            payload = Array(gradient[header.offset..<header.offset + header.payloadBytes])
            header.payloadChecksum = ToyTraining.checksums(ofChunks: gradient)[header.chunk]
        }
        let session = link.session
        simulator.toCoordinator(link, .bulkToCoordinator, bulk: (header, payload)) { [header, payload] in
            $0.deliver(.bulk(header, from: session), payload: payload)
        }
    }

    // MARK: Computing

    private func compute(step: Int, block: SlotBlock) {
        guard let weights, weights.step == step else {
            return simulator.violate(.sameWeights, "worker \(number) is to compute step \(step) without its weights")
        }
        guard let plan, plan == simulator.training.plan(step) else {
            return simulator.violate(.samePlan, "worker \(number) computes step \(step) with another plan than the coordinator")
        }
        let values = ToyTraining.unpack(weights.bytes)
        simulator.check(weights: values, of: step, worker: number)
        computation += 1
        if hangs { return }
        let mine = computation
        let time = slotTime * plan.costFactor
        for (done, slot) in block.slots.enumerated() {
            after(time * (done + 1)) { worker in
                guard worker.computation == mine else { return }
                if slot == worker.simulator.scenario.poisonedSlot { return worker.crash() }
                worker.handle(.progress(step: step, block: block, slotsDone: done + 1))
            }
        }
        after(time * block.count + .milliseconds(1)) { worker in
            guard worker.computation == mine else { return }
            worker.complete(step: step, block: block, plan: plan, weights: values)
        }
    }

    private func complete(step: Int, block: SlotBlock, plan: StepPlan, weights: ToyTraining.Vector) {
        var sum = ToyTraining.sum(of: block) { slot in
            let ids = training.samples(step: step, slot: slot)
            // A sample that never came counts as one without bytes, so its absence shows in the digests.
            let bytes = ids.map { hasData ? training.bytes(ofSample: $0) : samples[$0] ?? [] }
            return training.gradient(weights: weights, plan: plan, slot: slot, samples: bytes)
        }
        if number == simulator.scenario.faultyWorker { sum[0] += 1 }
        let bytes = ToyTraining.pack(sum)
        gradient = bytes
        let digest = GradientDigest.text(of: ToyTraining.checksums(ofChunks: bytes))
        handle(.blockComputed(step: step, block: block, digest: digest, bytes: bytes.count))
    }
}

extension StepPlan {
    /// How much longer a slot of this step takes than the cheapest.
    fileprivate var costFactor: Int { Int(values["relativeCost"] ?? 1) }
}

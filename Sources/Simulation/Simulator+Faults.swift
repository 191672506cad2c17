import Fleet

/// Faults at drawn times, and after them enough workers that work.
extension Simulator {
    func planFaults() {
        let disturbed = scenario.disturbedSeconds
        if !scenario.kinds.isEmpty {
            for _ in 0..<scenario.faults {
                let kind = scenario.kinds[random.integer(0...scenario.kinds.count - 1)]
                after(random.seconds(0...disturbed)) { [unowned self] in inject(kind) }
            }
        }
        guard scenario.faults > 0 else { return }
        // Whatever happened: the run can end.
        after(.seconds(disturbed + 90)) { [unowned self] in
            for _ in 0..<scenario.minimumWorkers { startWorker(after: .zero) }
        }
    }

    private func inject(_ fault: Fault) {
        guard exit == nil, apply(fault) else { return }
        faults[fault, default: 0] += 1
        note { "FAULT \(fault.rawValue)" }
    }

    /// - Returns: false when there is nothing that the fault could befall.
    private func apply(_ fault: Fault) -> Bool {
        switch fault {
        case .join:
            startWorker(after: .zero)
            return true
        case .workerCrash, .workerRestart, .workerStop, .workerHang, .workerPause, .slowWorker, .bitFlip:
            guard let worker = random.pick(workers.filter(\.isWorking)) else { return false }
            befall(worker, fault)
            return true
        case .connectionLost, .socketLost, .halfOpen:
            guard let link = random.pick(workers.compactMap(\.link).filter(\.isOpen)) else { return false }
            befall(link, fault)
            return true
        case .allWorkersLost, .powerCut:
            let living = workers.filter(\.isWorking)
            for worker in living { worker.crash() }
            if fault == .powerCut { crashCoordinator() }
            for _ in 0..<max(living.count, scenario.minimumWorkers) { startWorker(after: random.seconds(1...40)) }
            return true
        case .slowNetwork:
            network.slowness = (now + random.seconds(1...20), random.number(0.1...4))
            return true
        case .replay: return replay()
        case .coordinatorCrash, .coordinatorStop, .coordinatorPause:
            guard let coordinator else { return false }
            befall(coordinator, fault)
            return true
        case .duplicate: return false
        }
    }

    private func replay() -> Bool {
        guard !network.recorded.elements.isEmpty else { return false }
        for _ in 0..<8 {
            guard let message = random.pick(network.recorded.elements) else { break }
            after(random.seconds(scenario.latency)) { [unowned self] in if let coordinator { message(coordinator) } }
        }
        for _ in 0..<8 {
            guard let (header, payload) = random.pick(network.recordedBulk.elements),
                let session = random.pick(workers.compactMap(\.link).filter(\.isOpen))?.session
            else { break }
            after(random.seconds(scenario.latency)) { [unowned self] in
                coordinator?.deliver(.bulk(header, from: session), payload: payload)
            }
        }
        return true
    }

    private func befall(_ worker: SimulatedWorker, _ fault: Fault) {
        let phase = random.pick([WorkerPhase?.none, .building, .waiting, .fetching, .computing, .uploading]) ?? nil
        switch fault {
        case .workerCrash, .workerRestart:
            if let phase { worker.crash(in: phase) } else { worker.crash() }
            if fault == .workerRestart { startWorker(after: random.seconds(0.5...10)) }
        case .workerStop: worker.stop()
        case .workerHang: worker.hang()
        case .bitFlip: worker.flipBits(UInt32(1 + faults[.bitFlip, default: 0]))
        case .workerPause: worker.pause(random.seconds(0.1...60))
        default: worker.slow(by: random.number(2...20))
        }
    }

    private func befall(_ link: Link, _ fault: Fault) {
        switch fault {
        case .connectionLost: cut(link)
        case .socketLost: cut(link, control: random.chance(0.5))
        default:
            let ways = Way.allCases.filter { _ in random.chance(0.5) }
            silence(link, ways.isEmpty ? Way.allCases : ways)
        }
    }

    private func befall(_ coordinator: SimulatedCoordinator, _ fault: Fault) {
        switch fault {
        case .coordinatorCrash:
            if let point = random.pick([SimulatedCoordinator.CrashPoint?.none, .beforeLine, .withinLine, .afterLine]) ?? nil {
                coordinator.crashPoint = point
            } else {
                crashCoordinator()
            }
        case .coordinatorStop:
            // At once, or after the step at hand if it ends in time.
            let event: CoordinatorState.Event =
                random.chance(0.5)
                ? .stop(exitCode: ExitCode.preempted, text: "stopped")
                : .stopAfterStep(exitCode: ExitCode.preempted, text: "stopped", deadline: now + random.seconds(0...20))
            coordinator.deliver(event)
        default: coordinator.pause(random.seconds(0.1...60))
        }
    }
}

import Fleet

/// Connections, and what is on its way or remembered.
struct SimulatedNetwork {
    /// Open sessions.
    var links: [SessionID: Link] = [:]
    /// The newest messages to the coordinator, and the newest bulk messages among them, for `Fault.replay`.
    private(set) var recorded = Recent<(SimulatedCoordinator) -> Void>()
    private(set) var recordedBulk = Recent<(header: BulkHeader, payload: [UInt8])>()
    /// Added to every message's time until then.
    var slowness: (until: Instant, seconds: Double)?

    mutating func record(_ message: @escaping (SimulatedCoordinator) -> Void, bulk: (header: BulkHeader, payload: [UInt8])?) {
        recorded.add(message)
        if let bulk { recordedBulk.add(bulk) }
    }

    mutating func removeAll() { self = SimulatedNetwork() }
}

/// The last 64 of something.
struct Recent<Element> {
    private(set) var elements: [Element] = []
    private var oldest = 0

    mutating func add(_ element: Element) {
        if elements.count < 64 { return elements.append(element) }
        elements[oldest] = element
        oldest = (oldest + 1) % 64
    }
}

extension Simulator {
    // MARK: Connections

    func connect(_ worker: SimulatedWorker, session: SessionID) -> Link {
        let link = Link(session: session, generation: coordinator?.generation ?? 0, worker: worker)
        if coordinator == nil {
            refuse(link)
        } else {
            network.links[session] = link
        }
        return link
    }

    /// Nobody listens.
    private func refuse(_ link: Link) {
        for way in Way.allCases { link[way].takes = false }
        link.isOpen = false
        after(random.seconds(0...0.1)) { link.worker.linkBroke(link) }
    }

    /// The worker closes both sockets. The coordinator notices after it has read what was on its way.
    func close(_ link: Link) {
        at(max(link[.controlToCoordinator].lastArrival, link[.bulkToCoordinator].lastArrival)) { [unowned self] in forget(link) }
    }

    private func forget(_ link: Link) {
        link.isOpen = false
        network.links[link.session] = nil
    }

    /// The worker's process is gone; what it had sent may have left its machine or not.
    func peerVanished(_ link: Link) {
        if random.chance(0.5) { discard(link, [.controlToCoordinator, .bulkToCoordinator]) }
        close(link)
    }

    private func discard(_ link: Link, _ ways: [Way]) {
        for way in ways {
            link[way].takes = false
            link[way].delivers = false
        }
    }

    /// Breaks both connections. The worker is told; the coordinator notices when it sends.
    func cut(_ link: Link) {
        guard link.isOpen else { return }
        let mayBeLate = random.chance(0.5)
        for way in Way.allCases { link[way].takes = false }
        if mayBeLate {
            note { "what \(link.session.short) sent before may be read late" }
        } else {
            discard(link, [.controlToCoordinator, .bulkToCoordinator])
        }
        forget(link)
        after(random.seconds(0...0.5)) { link.worker.linkBroke(link) }
    }

    /// Breaks one of the two connections.
    func cut(_ link: Link, control: Bool) {
        discard(link, control ? [.controlToCoordinator, .controlToWorker] : [.bulkToCoordinator, .bulkToWorker])
        if control { forget(link) } else { link.bulkIsOpen = false }
        after(random.seconds(0...0.5)) { link.worker.linkBroke(link) }
    }

    /// Lets messages vanish in these ways, until the keep-alive of TCP notices (`SocketOptions`: 10 s + 3 · 5 s without a sign, 20 s without
    /// acknowledgement).
    func silence(_ link: Link, _ ways: [Way]) {
        discard(link, ways)
        after(random.seconds(20...30)) { [unowned self] in cut(link) }
    }

    /// All connections end with the coordinator's process.
    /// - Parameter discardingToWorkers: what was on its way to the workers is lost; otherwise it still arrives, before they are told.
    func breakLinks(discardingToWorkers: Bool) {
        for link in workers.compactMap(\.link) where link.isOpen {
            discard(link, [.controlToCoordinator, .bulkToCoordinator])
            if discardingToWorkers { discard(link, [.controlToWorker, .bulkToWorker]) }
            for way in Way.allCases { link[way].takes = false }
            forget(link)
            let last = discardingToWorkers ? now : max(now, link[.controlToWorker].lastArrival)
            at(last + random.seconds(0...0.5)) { link.worker.linkBroke(link) }
        }
    }

    // MARK: Messages

    /// When a message sent now arrives: later than all before it on its way.
    private func arrival(on link: Link, _ way: Way) -> Instant {
        var delay = random.seconds(scenario.latency)
        if let slow = network.slowness, now < slow.until { delay = delay + random.seconds(0...slow.seconds) }
        let time = max(now + delay, link[way].lastArrival)
        link[way].lastArrival = time
        return time
    }

    private func copies() -> Int {
        guard scenario.duplicates > 0, random.chance(scenario.duplicates) else { return 1 }
        faults[.duplicate, default: 0] += 1
        return 2
    }

    /// - Parameter bulk: the message, if it is one of the bulk socket.
    func toCoordinator(
        _ link: Link, _ way: Way, bulk: (header: BulkHeader, payload: [UInt8])? = nil, _ deliver: @escaping (SimulatedCoordinator) -> Void
    ) {
        if scenario.faults > 0 { network.record(deliver, bulk: bulk) }
        guard link[way].takes, way.isControl || link.bulkIsOpen else { return }
        for _ in 0..<copies() {
            at(arrival(on: link, way)) { [unowned self] in
                guard let coordinator, coordinator.generation == link.generation, link[way].delivers else {
                    return note { "lost: \(way.text) of \(link.session.short)" }
                }
                deliver(coordinator)
            }
        }
    }

    /// - Returns: false when the coordinator can see that nobody is there.
    func toWorker(_ session: SessionID, _ way: Way, _ deliver: @escaping (SimulatedWorker) -> Void) -> Bool {
        guard let link = network.links[session], way.isControl || link.bulkIsOpen else { return false }
        guard link[way].takes else { return true }
        for _ in 0..<copies() {
            at(arrival(on: link, way)) { [unowned self] in
                guard link[way].delivers else { return note { "lost: \(way.text) of \(link.session.short)" } }
                link.worker.receive(link, deliver)
            }
        }
        return true
    }
}

import Fleet

/// Drives the real state machines with a virtual clock and an in-memory network that delays, duplicates and loses connections.
/// Everything that happens follows from the seed.
final class Simulator {
    struct Setup {
        var seed: UInt64
        var steps = 6
        var slots = 16
        var workers = 3
        var faults = 8
        var duplicates = 0.05
        var poisonLosses = Int.max
        var minimumWorkers = 1
        /// A worker dies whenever it computes this slot.
        var poisonedSlot: Int?
        /// The n-th worker computes wrong gradients.
        var faultyWorker: Int?
        /// Virtual time per slot of each worker.
        var slotSeconds = 0.05...2.0
        var latency = 0.001...0.2
    }

    enum Kind: CaseIterable { case control, bulk }

    /// One connection of a worker; what is in flight dies with it.
    final class Link {
        let session: SessionID
        let worker: SimulatedWorker
        /// False: nothing passes, and neither side is told.
        var passes = true
        /// Closed: the coordinator learns of it when it sends.
        var isOpen = true
        var lastArrival: [Instant] = Array(repeating: Instant(nanoseconds: 0), count: 4)

        init(session: SessionID, worker: SimulatedWorker) {
            self.session = session
            self.worker = worker
        }
    }

    private struct Entry {
        let time: Instant
        let order: Int
        let body: () -> Void
    }

    let setup: Setup
    var random: SeededGenerator
    private(set) var now = Instant(nanoseconds: 1_000_000_000)
    private var queue: [Entry] = []
    private var order = 0
    var links: [Link] = []
    var workers: [SimulatedWorker] = []
    var coordinator: SimulatedCoordinator?
    var disk: SimulatedCoordinator.Disk
    /// How the run ended, once it has.
    var exit: FleetExit?
    var events: [FleetEvent] = []
    /// Oracle violations, in words.
    var complaints: [String] = []
    let expected: (roots: [[Float]], weights: [Float])

    init(_ setup: Setup) {
        self.setup = setup
        random = SeededGenerator(seed: setup.seed)
        disk = .init()
        expected = Toy.undisturbed(steps: setup.steps, slots: setup.slots)
    }

    // MARK: Virtual time

    func after(_ delay: Duration, _ body: @escaping () -> Void) { at(now + delay, body) }

    func at(_ time: Instant, _ body: @escaping () -> Void) {
        order += 1
        let entry = Entry(time: max(time, now), order: order, body: body)
        // A binary heap on (time, order).
        queue.append(entry)
        var child = queue.count - 1
        while child > 0, precedes(queue[child], queue[(child - 1) / 2]) {
            queue.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    private func precedes(_ left: Entry, _ right: Entry) -> Bool {
        left.time == right.time ? left.order < right.order : left.time < right.time
    }

    private func next() -> Entry? {
        guard let first = queue.first else { return nil }
        let last = queue.removeLast()
        guard !queue.isEmpty else { return first }
        queue[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < queue.count && precedes(queue[child], queue[least]) {
                least = child
            }
            guard least != parent else { return first }
            queue.swapAt(parent, least)
            parent = least
        }
    }

    /// Runs until the coordinator has finished, and a little longer so that the workers hear of it.
    func run(limit: Duration = .seconds(4000)) {
        startCoordinator()
        for _ in 0..<setup.workers { startWorker(delay: random.seconds(0...3)) }
        scheduleFaults()
        let end = now + limit
        var lastCall: Instant?
        while let entry = next() {
            now = entry.time
            if exit != nil, lastCall == nil { lastCall = now + .seconds(5) }
            guard now < end, lastCall.map({ now < $0 }) ?? true else { return }
            entry.body()
        }
    }

    // MARK: Nodes and faults

    func startCoordinator() {
        guard disk.step < setup.steps else {
            // It crashed while it said good-bye: its successor finds nothing left to do.
            exit = FleetExit(exitCode: 0, text: "training complete")
            return
        }
        coordinator = SimulatedCoordinator(simulator: self)
    }

    @discardableResult
    func startWorker(delay: Duration) -> SimulatedWorker {
        let worker = SimulatedWorker(simulator: self, number: workers.count)
        workers.append(worker)
        after(delay) { worker.start() }
        return worker
    }

    private func scheduleFaults() {
        for _ in 0..<setup.faults {
            let fault = Int.random(in: 0..<7, using: &random)
            after(random.seconds(0...40)) { [unowned self] in inject(fault) }
        }
        // Whatever happened: in the end there are enough workers that work.
        for _ in 0..<setup.minimumWorkers {
            after(.seconds(45)) { [unowned self] in startWorker(delay: .zero).isReliable = true }
        }
    }

    private func inject(_ fault: Int) {
        guard exit == nil else { return }
        let alive = workers.filter { !$0.hasEnded }
        let victim = alive.randomElement(using: &random)
        switch fault {
        case 0: victim?.crash()
        case 1: if let link = links.filter(\.isOpen).randomElement(using: &random) { cut(link, silently: false) }
        case 2: if let link = links.filter(\.isOpen).randomElement(using: &random) { cut(link, silently: true) }
        case 3: startWorker(delay: .zero)
        case 4: if alive.count > 1 { victim?.stop() }
        case 5: victim?.hang()
        default: crashCoordinator(downtime: random.seconds(0.1...20))
        }
    }

    func crashCoordinator(downtime: Duration) {
        guard let old = coordinator else { return }
        old.isAlive = false
        coordinator = nil
        for link in links where link.isOpen { cut(link, silently: false) }
        after(downtime) { [unowned self] in if exit == nil { startCoordinator() } }
    }

    // MARK: Network

    func link(of session: SessionID) -> Link? { links.last { $0.session == session } }

    func cut(_ link: Link, silently: Bool) {
        link.passes = false
        if silently { return }
        link.isOpen = false
        after(random.seconds(0...0.5)) { link.worker.linkBroke(link) }
    }

    /// When a message on this direction and socket of a link arrives: later than all before it.
    private func arrival(on link: Link, lane: Int) -> Instant {
        let time = max(now + random.seconds(setup.latency), link.lastArrival[lane])
        link.lastArrival[lane] = time
        return time
    }

    private var copies: Int { random.chance(setup.duplicates) ? 2 : 1 }

    func toCoordinator(on link: Link, kind: Kind, _ deliver: @escaping (SimulatedCoordinator) -> Void) {
        guard link.passes else { return }
        for _ in 0..<copies {
            at(arrival(on: link, lane: kind == .control ? 0 : 1)) { [unowned self] in
                guard link.passes, let coordinator else { return }
                deliver(coordinator)
            }
        }
    }

    /// - Returns: false when the coordinator can see that the peer is gone.
    func toWorker(_ session: SessionID, kind: Kind, _ deliver: @escaping (SimulatedWorker) -> Void) -> Bool {
        guard let link = link(of: session), link.isOpen else { return false }
        guard link.passes else { return true }
        for _ in 0..<copies {
            at(arrival(on: link, lane: kind == .control ? 2 : 3)) {
                guard link.passes, link.worker.link === link else { return }
                deliver(link.worker)
            }
        }
        return true
    }
}

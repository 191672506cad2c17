import Fleet

/// The four ways of a session's messages. Those of one way stay in order, as on one TCP connection; between two ways there is no order.
enum Way: Int, CaseIterable {
    case controlToCoordinator, bulkToCoordinator, controlToWorker, bulkToWorker

    var isControl: Bool { self == .controlToCoordinator || self == .controlToWorker }

    var text: String {
        switch self {
        case .controlToCoordinator: "control to coordinator"
        case .bulkToCoordinator: "bulk to coordinator"
        case .controlToWorker: "control to worker"
        case .bulkToWorker: "bulk to worker"
        }
    }
}

/// The two connections of one session.
final class Link {
    struct Lane {
        /// The next message arrives no earlier.
        var lastArrival = Instant(nanoseconds: 0)
        /// False: what is sent vanishes.
        var takes = true
        /// False: what is on its way vanishes as well.
        var delivers = true
    }

    let session: SessionID
    /// The coordinator process that the connections lead to.
    let generation: UInt64
    unowned let worker: SimulatedWorker
    /// False: the coordinator learns on sending that nobody is there.
    var isOpen = true
    var bulkIsOpen = true
    private var lanes = Array(repeating: Lane(), count: Way.allCases.count)

    init(session: SessionID, generation: UInt64, worker: SimulatedWorker) {
        self.session = session
        self.generation = generation
        self.worker = worker
    }

    subscript(way: Way) -> Lane {
        get { lanes[way.rawValue] }
        set { lanes[way.rawValue] = newValue }
    }
}

import Fleet
import Foundation
import TensorCore
import Training
import Transport

/// A peer that speaks the protocol but is no worker: raw sockets to a coordinator, for what no worker of ours would send.
final class FakeWorker {
    let session: SessionID
    let control: Socket
    private let context: Context
    private(set) var bulk: Socket?
    private(set) var welcome: Welcome?
    /// What has come on the control socket and was not taken yet.
    private var received: [ControlMessage] = []
    private let host: Endpoint
    private let keys: WorkerKeys?

    /// Connects and says hello as a worker of this build and machine would.
    ///
    /// - Parameters:
    ///   - build: the build that it says it is.
    ///   - hello: whether it says hello at all.
    ///   - keys: what it encrypts with; nil without keys.
    ///   - session: the session that it speaks in; one of its own unless told otherwise.
    init(
        at run: RunFolder, build: String = BuildVersion.current, hello: Bool = true, keys: WorkerKeys? = nil, session: SessionID? = nil,
        in context: Context? = nil
    ) throws {
        guard let address = run.endpoint else { throw ChaosFailure("no coordinator listens") }
        host = try Endpoint(address)
        self.context = try context ?? Context()
        self.keys = keys
        self.session = session ?? SessionID(high: .random(in: 0...UInt64.max), low: .random(in: 0...UInt64.max))
        control = try Socket(.dealer, in: self.context)
        control.setRoutingID(Array(self.session.description.utf8))
        if let keys { control.encrypt(as: keys) }
        try control.connect(to: address)
        guard hello else { return }
        say(
            .hello(
                Hello(
                    buildVersion: build, numericClass: NumericEnvironment.numericClass, hostName: "fake", processID: Int(getpid()),
                    process: SessionID(high: .random(in: 0...UInt64.max), low: .random(in: 0...UInt64.max)), threads: 1)))
    }

    // A peer that was never let in has things to say for ever.
    deinit {
        control.dropUnsent()
        bulk?.dropUnsent()
    }

    /// What a worker of this machine computes of the fixed image.
    private static var canary: Canary {
        get throws { try Canary(DrillSite.configuration(.small), pool: ThreadPool(threads: 1)) }
    }

    func say(_ message: ControlMessage) { send([ControlCodec.encode(message)], on: control) }

    func send(_ frames: [[UInt8]], on socket: Socket) { _ = socket.send(frames.map { .bytes($0) }) }

    /// Takes what has come.
    func receive() {
        while let frames = control.receive(), let frame = frames.first {
            guard let message = try? ControlCodec.decode(frame) else { continue }
            if case .welcome(let welcome) = message { self.welcome = welcome }
            received.append(message)
        }
    }

    /// Waits for a message that `select` wants.
    func await<Value>(_ what: String, _ select: (ControlMessage) -> Value?) throws -> Value {
        var value: Value?
        try wait(for: what) {
            receive()
            value = received.lazy.compactMap(select).first
            return value != nil
        }
        guard let value else { throw ChaosFailure("no \(what)") }
        return value
    }

    func awaitRefusal() throws -> FleetExit {
        try `await`("a refusal") { if case .refuse(let exitCode, let text) = $0 { FleetExit(exitCode: exitCode, text: text) } else { nil } }
    }

    /// Waits for the welcome, opens the bulk socket, shows what it computes, and says that it is ready.
    func join() throws -> Welcome {
        let welcome = try `await`("a welcome") { if case .welcome(let welcome) = $0 { welcome } else { nil } }
        let bulk = try openBulk(welcome.bulkPort)
        send([BulkHeaderCodec.encode(header(welcome, .attach)), []], on: bulk)
        say(.canary(try FakeWorker.canary))
        say(.ready)
        return welcome
    }

    /// Opens the bulk socket.
    func openBulk(_ port: Int) throws -> Socket {
        let bulk = try Socket(.dealer, in: context)
        bulk.setRoutingID(Array(session.description.utf8))
        if let keys { bulk.encrypt(as: keys) }
        try bulk.connect(to: host.address(port: port))
        self.bulk = bulk
        return bulk
    }

    func header(_ welcome: Welcome, _ kind: BulkKind, generation: UInt64? = nil, session: SessionID? = nil) -> BulkHeader {
        BulkHeader(kind: kind, runID: welcome.runID, generation: generation ?? welcome.generation, session: session ?? self.session)
    }
}

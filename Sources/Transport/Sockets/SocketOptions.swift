import Fleet
internal import CZeroMQ

/// How the four sockets of the protocol are set up. Everything is set before binding or connecting, as ZeroMQ demands.
extension Socket {
    /// How long what was sent may still leave after closing, in milliseconds.
    private static let linger = 2000
    /// The largest control message, in bytes, without its version byte.
    static let largestControl = 1 << 20
    /// What CURVE adds to a frame (RFC 26): the command's name, nonce, authenticator, flags. The limit is on what is on the wire.
    private static let encryption = 8 + 8 + 16 + 1

    private func setCommon(largestFrame: Int, highWater: Int) {
        set(ZMQ_LINGER, to: Socket.linger)
        set(ZMQ_MAXMSGSIZE, to: largestFrame)
        set(ZMQ_SNDHWM, to: highWater)
        set(ZMQ_RCVHWM, to: highWater)
        set(ZMQ_HANDSHAKE_IVL, to: 5000)
        set(ZMQ_TCP_KEEPALIVE, to: 1)
        set(ZMQ_TCP_KEEPALIVE_IDLE, to: 10)
        set(ZMQ_TCP_KEEPALIVE_INTVL, to: 5)
        set(ZMQ_TCP_KEEPALIVE_CNT, to: 3)
        set(ZMQ_TCP_MAXRT, to: 20000)
    }

    /// The largest frame and the most frames waiting, by socket. Bulk chunks are large, so few of them may wait.
    private func setLimits(_ kind: Channel, isEncrypted: Bool) {
        let more = isEncrypted ? Socket.encryption : 0
        switch kind {
        case .control: setCommon(largestFrame: Socket.largestControl + 1 + more, highWater: 1000)
        case .bulk: setCommon(largestFrame: ControlMessage.largestChunk + more, highWater: 64)
        }
    }

    enum Channel: String { case control, bulk }

    /// The coordinator's end; with keys only peers that an `Authenticator` of the context admits.
    static func router(
        _ channel: Channel, in context: Context, keys: CoordinatorKeys? = nil, bind address: String
    ) throws(TransportError) -> Socket {
        let socket = try Socket(.router, in: context)
        socket.setLimits(channel, isEncrypted: keys != nil)
        if let keys { socket.encrypt(as: keys.pair) }
        // An unknown peer is an error and not silence; a known one cannot be pushed aside by another of the same name.
        socket.set(ZMQ_ROUTER_MANDATORY, to: 1)
        socket.set(ZMQ_ROUTER_HANDOVER, to: 0)
        socket.set(ZMQ_BACKLOG, to: 1024)
        try socket.bind(to: address)
        return socket
    }

    /// A worker's end. It never reconnects by itself: after a break the state machine starts a session under a new id.
    ///
    /// That is told to ZeroMQ as a pause of an hour, and ZMQ_IMMEDIATE stays off: with either no reconnection at all (-1) or
    /// ZMQ_IMMEDIATE, a break throws away what has arrived but was not read yet, a last refusal for instance.
    static func dealer(
        _ channel: Channel, in context: Context, keys: WorkerKeys? = nil, session: SessionID, connect address: String
    ) throws(TransportError) -> (socket: Socket, monitor: Socket) {
        let socket = try Socket(.dealer, in: context)
        socket.setLimits(channel, isEncrypted: keys != nil)
        if let keys { socket.encrypt(as: keys) }
        socket.setRoutingID(session.routingID)
        socket.set(ZMQ_RECONNECT_IVL, to: 3_600_000)
        socket.set(ZMQ_CONNECT_TIMEOUT, to: 5000)
        let name = "inproc://monitor-\(channel.rawValue)-\(session)"
        socket.monitor(
            at: name,
            events: ZMQ_EVENT_CLOSED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL
                | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        let monitor = try Socket(.pair, in: context)
        monitor.set(ZMQ_LINGER, to: 0)
        try monitor.connect(to: name)
        try socket.connect(to: address)
        return (socket, monitor)
    }

    /// What a monitor socket has to say: why the connection is gone; nil when it has nothing to say.
    func connectionEnd() -> ConnectionEnd? {
        guard let frame = receive()?.first else { return nil }
        let (event, value) = frame.withBytes { bytes in
            bytes.count < 6
                ? (0, 0) : (Int32(bytes.loadUnaligned(as: UInt16.self)), bytes.loadUnaligned(fromByteOffset: 2, as: UInt32.self))
        }
        switch event {
        case ZMQ_EVENT_CLOSED: return .unreachable
        case ZMQ_EVENT_DISCONNECTED: return .lost
        // 400 is the Authenticator's no; 300 and 500 are trouble of its own.
        case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH where value == 400: return .keyRefused
        default: return .handshakeFailed
        }
    }
}

/// Why a worker's connection is gone.
enum ConnectionEnd: Equatable, CustomStringConvertible {
    /// It could not be made.
    case unreachable
    /// It broke.
    case lost
    /// The coordinator answered that this worker's key is not on its list.
    case keyRefused
    /// It was given up before it was ready for use. Keys that do not fit look like this, and so does a coordinator that ends just then.
    case handshakeFailed

    var description: String {
        switch self {
        case .unreachable: "connection refused or timed out"
        case .lost: "connection lost"
        case .keyRefused: "the coordinator does not admit this worker's key"
        case .handshakeFailed: "handshake failed"
        }
    }
}

extension SessionID {
    /// The session as a ZeroMQ routing id: its 32 hexadecimal digits (raw bytes may not begin with zero).
    var routingID: [UInt8] { Array(description.utf8) }

    /// Reads a routing id.
    init?(routingID bytes: UnsafeRawBufferPointer) {
        guard bytes.count == 32 else { return nil }
        self.init(String(decoding: bytes, as: UTF8.self))
    }
}

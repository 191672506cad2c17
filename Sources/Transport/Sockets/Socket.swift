import Fleet
import Glibc
internal import CZeroMQ

/// A ZeroMQ context: its IO threads. Sockets keep it alive; it ends when the last of them is gone.
package final class Context {
    let raw: UnsafeMutableRawPointer

    package init() throws(TransportError) {
        try OpenFileLimit.require(24)
        guard let raw = zmq_ctx_new() else {
            throw .failed(call: "zmq_ctx_new", address: "this process", reason: lastReason())
        }
        self.raw = raw
        zmq_ctx_set(raw, ZMQ_MAX_SOCKETS, 65536)
    }

    // Waits until what was sent is on its way, at most for the sockets' linger time.
    deinit { while zmq_ctx_term(raw) != 0 && zmq_errno() == EINTR {} }
}

/// The text of the library's last error on this thread.
func lastReason() -> String { String(cString: zmq_strerror(zmq_errno())) }

/// An owned ZeroMQ socket; not thread-safe, as ZeroMQ's sockets are not.
package final class Socket {
    package enum Kind {
        case router, dealer, pair, reply

        var code: Int32 {
            switch self {
            case .router: ZMQ_ROUTER
            case .dealer: ZMQ_DEALER
            case .pair: ZMQ_PAIR
            case .reply: ZMQ_REP
            }
        }
    }

    /// What became of a message.
    package enum Sent { case sent, full, unreachable }

    let raw: UnsafeMutableRawPointer
    /// Nil once closed: whoever still holds a closed socket does not hold the ports of the others.
    private var context: Context?
    private var isClosed = false

    package init(_ kind: Kind, in context: Context) throws(TransportError) {
        guard let raw = zmq_socket(context.raw, kind.code) else {
            throw .failed(call: "zmq_socket", address: "this process", reason: lastReason())
        }
        self.raw = raw
        self.context = context
    }

    deinit { close() }

    package func close() {
        guard !isClosed else { return }
        isClosed = true
        zmq_close(raw)
        context = nil
    }

    /// Forgets on closing what was not sent yet.
    package func dropUnsent() { set(ZMQ_LINGER, to: 0) }

    /// Sets an option. Only constants of this module get here, so a refusal is a programmer mistake.
    func set(_ option: Int32, to value: Int) {
        var narrow = Int32(clamping: value)
        var wide = Int64(value)
        let result =
            option == ZMQ_MAXMSGSIZE
            ? zmq_setsockopt(raw, option, &wide, 8) : zmq_setsockopt(raw, option, &narrow, 4)
        precondition(result == 0, "option \(option) cannot be \(value): \(lastReason())")
    }

    /// The name under which a ROUTER knows this socket; set before connecting.
    package func setRoutingID(_ bytes: [UInt8]) {
        precondition(zmq_setsockopt(raw, ZMQ_ROUTING_ID, bytes, bytes.count) == 0, "no routing id: \(bytes)")
    }

    /// Makes this the side of a CURVE connection that peers check by its key, and that asks `Authenticator` about each of them.
    ///
    /// Without a domain ZeroMQ would ask nobody and let every key in.
    func encrypt(as pair: KeyPair) {
        set(ZMQ_CURVE_SERVER, to: 1)
        set(ZMQ_CURVE_SECRETKEY, to: z85Bytes(pair.secret) ?? [])
        set(ZMQ_ZAP_DOMAIN, to: Array("mvq".utf8))
    }

    /// Makes this the side of a CURVE connection that connects, with its own keys and the only one of the peer that it accepts.
    package func encrypt(as keys: WorkerKeys) {
        set(ZMQ_CURVE_SERVERKEY, to: z85Bytes(keys.coordinator.text) ?? [])
        set(ZMQ_CURVE_PUBLICKEY, to: z85Bytes(keys.publicKey.text) ?? [])
        set(ZMQ_CURVE_SECRETKEY, to: z85Bytes(keys.pair.secret) ?? [])
    }

    private func set(_ option: Int32, to bytes: [UInt8]) {
        precondition(zmq_setsockopt(raw, option, bytes, bytes.count) == 0, "option \(option): \(lastReason())")
    }

    func bind(to address: String) throws(TransportError) {
        guard zmq_bind(raw, address) != 0 else { return }
        let code = zmq_errno()
        if code == EADDRINUSE { throw .addressInUse(address) }
        throw .badAddress(address, reason: lastReason())
    }

    package func connect(to address: String) throws(TransportError) {
        guard zmq_connect(raw, address) != 0 else { return }
        throw .badAddress(address, reason: lastReason())
    }

    /// The address that the socket is really bound to.
    package var endpoint: String {
        var text = [CChar](repeating: 0, count: 256)
        var count = text.count
        guard zmq_getsockopt(raw, ZMQ_LAST_ENDPOINT, &text, &count) == 0, count > 0 else { return "" }
        return String(decoding: text[..<(count - 1)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Reports connections and their ends on an in-process address.
    func monitor(at address: String, events: Int32) {
        precondition(zmq_socket_monitor(raw, address, events) == 0, "no monitor at \(address): \(lastReason())")
    }

    func endMonitor() { zmq_socket_monitor(raw, nil, 0) }

    // MARK: Messages

    /// Sends a message of several parts without waiting. Either all parts go or none.
    package func send(_ parts: [Part]) -> Sent {
        for (number, part) in parts.enumerated() {
            let isLast = number == parts.count - 1
            switch part.send(on: raw, flags: ZMQ_DONTWAIT | (isLast ? 0 : ZMQ_SNDMORE)) {
            case .sent: continue
            case .full where number == 0: return .full
            case .full, .unreachable: return .unreachable
            }
        }
        return .sent
    }

    /// The next message, without waiting; nil when there is none. Parts after so many are dropped: no message of the protocol has more than four.
    package func receive(parts most: Int = 4) -> [Frame]? {
        var frames: [Frame] = []
        while true {
            let frame = Frame()
            while zmq_msg_recv(frame.message, raw, ZMQ_DONTWAIT) < 0 {
                guard zmq_errno() == EINTR else { return nil }
            }
            if frames.count < most { frames.append(frame) }
            if zmq_msg_more(frame.message) == 0 { return frames }
        }
    }
}

/// A received part of a message.
package final class Frame {
    let message: UnsafeMutablePointer<zmq_msg_t>

    init() {
        message = .allocate(capacity: 1)
        zmq_msg_init(message)
    }

    deinit {
        zmq_msg_close(message)
        message.deallocate()
    }

    /// The key that the sender proved to have; nil on connections without keys.
    var key: CurveKey? {
        guard let text = zmq_msg_gets(message, "User-Id") else { return nil }
        return CurveKey(String(cString: text))
    }

    /// The bytes as text.
    var text: String { withBytes { String(decoding: $0, as: UTF8.self) } }

    /// Lends the bytes. They live in the frame, and the frame may go right after its last use: hence the closure.
    package func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(self) {} }
        return try body(UnsafeRawBufferPointer(start: zmq_msg_data(message), count: zmq_msg_size(message)))
    }
}

/// A part of a message to send.
package enum Part {
    /// Copied.
    case bytes([UInt8])
    /// Sent from where they are; the owner is kept until they are gone.
    case payload(BulkPayload)

    func send(on socket: UnsafeMutableRawPointer, flags: Int32) -> Socket.Sent {
        switch self {
        case .bytes(let bytes):
            while true {
                if zmq_send(socket, bytes, bytes.count, flags) >= 0 { return .sent }
                if zmq_errno() != EINTR { return Part.outcome() }
            }
        case .payload(let payload):
            var message = zmq_msg_t()
            return withUnsafeMutablePointer(to: &message) { Part.send(payload, as: $0, on: socket, flags: flags) }
        }
    }

    private static func send(
        _ payload: BulkPayload, as message: UnsafeMutablePointer<zmq_msg_t>, on socket: UnsafeMutableRawPointer, flags: Int32
    ) -> Socket.Sent {
        let owner = Unmanaged.passRetained(payload.owner)
        // The library frees on one of its IO threads: releasing a reference is all that may happen there.
        let result = zmq_msg_init_data(
            message, UnsafeMutableRawPointer(mutating: payload.bytes.baseAddress), payload.bytes.count,
            { _, hint in if let hint { Unmanaged<AnyObject>.fromOpaque(hint).release() } }, owner.toOpaque())
        guard result == 0 else {
            owner.release()
            return .full
        }
        while zmq_msg_send(message, socket, flags) < 0 {
            if zmq_errno() == EINTR { continue }
            let outcome = outcome()
            zmq_msg_close(message)
            return outcome
        }
        return .sent
    }

    private static func outcome() -> Socket.Sent { zmq_errno() == EAGAIN ? .full : .unreachable }
}

/// Waits until something can be received.
package struct Poller {
    private var items: [zmq_pollitem_t] = []

    package init() {}

    package mutating func watch(_ socket: Socket) {
        items.append(zmq_pollitem_t(socket: socket.raw, fd: 0, events: Int16(ZMQ_POLLIN), revents: 0))
    }

    package mutating func watch(fileDescriptor: Int32) {
        items.append(zmq_pollitem_t(socket: nil, fd: fileDescriptor, events: Int16(ZMQ_POLLIN), revents: 0))
    }

    /// Waits for one of the watched, at most until the time is up.
    package mutating func wait(atMost duration: Duration) {
        let milliseconds = max(0, (duration.nanoseconds + 999_999) / 1_000_000)
        zmq_poll(&items, Int32(items.count), Int(milliseconds))
    }
}

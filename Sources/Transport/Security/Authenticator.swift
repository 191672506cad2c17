import Fleet
import Foundation
import Synchronization

/// Tells ZeroMQ which peers may come in: the handler of its authentication protocol (ZAP, RFC 27), on a thread of its own.
///
/// It answers from the list in `authorized_keys`, which it reads again when the file changes. A key that is added counts at once. Removals count
/// when the file has stayed the same for a second, so that a list that is just being written shuts nobody out.
final class Authenticator: Sendable {
    /// What happened, for the thread that owns the sessions.
    enum Notice: Sendable {
        case event(SecurityEvent)
        /// These keys are not on the list any more.
        case revoked(Set<CurveKey>)
    }

    private let server: Server
    private let end = Mailbox<Void>()
    private let hasEnded = DispatchSemaphore(value: 0)

    /// Starts the thread; from now on sockets of the context that are bound with keys admit those of the list.
    ///
    /// - Parameter notify: called on the thread.
    init(_ keys: CoordinatorKeys, in context: Context, notify: @escaping @Sendable (Notice) -> Void) throws(TransportError) {
        let socket = try Socket(.reply, in: context)
        socket.dropUnsent()
        try socket.bind(to: "inproc://zeromq.zap.01")
        server = Server(socket: socket, keys: keys, notify: notify)
        let (server, end, hasEnded) = (server, end, hasEnded)
        let thread = Thread {
            while end.drain().isEmpty { server.turn(end: end.fileDescriptor) }
            server.close()
            hasEnded.signal()
        }
        thread.name = "mvq keys"
        thread.start()
    }

    deinit {
        end.post(())
        hasEnded.wait()
    }

    /// True when a peer with this key may say something now.
    func admits(_ key: CurveKey) -> Bool { server.list.withLock { $0.contains(key) } }

    /// A key for log lines.
    func label(of key: CurveKey) -> String { server.list.withLock { $0.label(of: key) } }

    /// What belongs to the thread.
    private final class Server: @unchecked Sendable {
        // Sendable: but for the list, made on one thread and used on another from then on.
        let list: Mutex<AuthorizedKeys>
        private var socket: Socket?
        private let file: String
        /// Of the list in use.
        private var stamp: KeyFile.Stamp
        /// At the last look.
        private var seen: KeyFile.Stamp?
        private var nextLook = Instant.current
        /// What was complained about already.
        private var complaint: String?
        private var refusals: [CurveKey: Instant] = [:]
        private var limit = ReportLimit(perMinute: 32)
        private let notify: @Sendable (Notice) -> Void

        init(socket: Socket, keys: CoordinatorKeys, notify: @escaping @Sendable (Notice) -> Void) {
            list = Mutex(keys.list)
            self.socket = socket
            file = keys.listFile
            stamp = keys.listStamp
            self.notify = notify
        }

        /// Lets the socket go, and with it perhaps the context: before the thread is said to have ended.
        func close() { socket = nil }

        /// Waits for requests, a second at most, and answers them.
        func turn(end: Int32) {
            guard let socket else { return }
            var poller = Poller()
            poller.watch(fileDescriptor: end)
            poller.watch(socket)
            poller.wait(atMost: .seconds(1))
            for _ in 0..<256 {
                guard let request = socket.receive(parts: 8) else { break }
                _ = socket.send(answer(request).map { .bytes(Array($0.utf8)) })
            }
            if Instant.current >= nextLook {
                nextLook = .current + .seconds(1)
                look()
            }
        }

        /// Version, request, domain, address, routing id, mechanism, credentials → version, request, status, text, user id, metadata.
        private func answer(_ request: [Frame]) -> [String] {
            guard request.count == 7, request[0].text == "1.0", request[5].text == "CURVE",
                let key = request[6].withBytes({ CurveKey(bytes: $0) })
            else { return ["1.0", request.count > 1 ? request[1].text : "", "400", "no key", "", ""] }
            let isAdmitted = list.withLock { $0.contains(key) } || wasAdded(key)
            if !isAdmitted { refuse(key, address: request[3].text) }
            return ["1.0", request[1].text, isAdmitted ? "200" : "400", isAdmitted ? "OK" : "key not admitted", isAdmitted ? key.text : "", ""]
        }

        private func refuse(_ key: CurveKey, address: String) {
            let now = Instant.current
            if let last = refusals[key], last.duration(to: now) < .seconds(60) { return }
            guard let omitted = limit.admit(now: now) else { return }
            if refusals.count >= 1024 { refusals = [:] }
            refusals[key] = now
            if omitted > 0 { notify(.event(.omitted(omitted))) }
            notify(.event(.unknownKey(key.text, address: address)))
        }

        /// Looks into a changed file for a key that was added to it.
        private func wasAdded(_ key: CurveKey) -> Bool {
            guard let current = KeyFile.stamp(file), current != stamp, let (newest, _) = try? read(), newest.contains(key) else { return false }
            list.withLock { $0.admit(key, name: newest.names[key] ?? "") }
            return true
        }

        private func read() throws -> (AuthorizedKeys, KeyFile.Stamp) {
            let (text, stamp) = try KeyFile.read(file, as: .trusted, ifMissing: "put it back")
            return (try AuthorizedKeys(text, file: file), stamp)
        }

        /// Takes a changed list over once it has settled.
        private func look() {
            let current = KeyFile.stamp(file)
            defer { seen = current }
            guard current == seen, current != stamp else { return }
            do {
                let (newest, stamp) = try read()
                guard stamp == current else { return }
                self.stamp = stamp
                complaint = nil
                let before = list.withLock { list in
                    defer { list = newest }
                    return list
                }
                let removed = Set(before.names.keys).subtracting(newest.names.keys)
                let added = Set(newest.names.keys).subtracting(before.names.keys)
                if !added.isEmpty || !removed.isEmpty {
                    notify(
                        .event(.listChanged(added: added.map { newest.label(of: $0) }.sorted(), removed: removed.map { before.label(of: $0) }.sorted())))
                }
                if !removed.isEmpty { notify(.revoked(removed)) }
            } catch {
                if complaint != "\(error)" { notify(.event(.listUnusable(reason: "\(error)"))) }
                complaint = "\(error)"
            }
        }
    }
}

extension AuthorizedKeys {
    mutating func admit(_ key: CurveKey, name: String) { names[key] = name }
}

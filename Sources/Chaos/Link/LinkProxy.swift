import Foundation
import Synchronization
import TensorCore
import Transport

/// A user-space link between workers and their coordinator: the coordinator's two ports on another loopback address, with the delay, the rate and the
/// faults that a real network has. Workers behind it connect to `address` instead of the coordinator's own.
///
/// One thread; its draws are functions of the seed, the connection and the piece.
package final class LinkProxy: Sendable {
    private enum Command: Sendable {
        case conditions(LinkConditions)
        case swallow, release, reset, end
        case partition(Bool)
    }

    private struct Connection {
        let client: Int32
        let server: Int32
        let isBulk: Bool
        /// To the server, and back.
        var pumps: [LinkPump]
        var isFinished: Bool { pumps.allSatisfy(\.isFinished) }
    }

    /// What has passed so far.
    package struct Counts: Sendable {
        package var connections = 0
        /// Bits flipped.
        package var flips = 0
        /// Connections that nothing gets through any more.
        package var swallowed = 0
    }

    /// The control address to connect to.
    package let address: String
    private let commands = Mailbox<Command>()
    private let counted = Mutex(Counts())

    /// Listens on `127.0.0.<number>` at the coordinator's ports `port` and `port + 1`.
    ///
    /// - Throws: `ChaosFailure` if they are taken.
    package init(number: UInt8, port: Int, seed: UInt64, conditions: LinkConditions = LinkConditions()) throws {
        let host: UInt32 = 127 << 24 | UInt32(number)
        var listeners: [Int32] = []
        for port in [port, port + 1] {
            guard let listener = TCP.listen(on: TCP.address(host: host, port: port)) else {
                for listener in listeners { close(listener) }
                throw ChaosFailure("127.0.0.\(number):\(port) is taken; end what listens there")
            }
            listeners.append(listener)
        }
        address = "tcp://127.0.0.\(number):\(port)"
        let ends = listeners
        let thread = Thread { [self] in run(listeners: ends, port: port, conditions, Philox(seed: seed, domain: "link \(number)")) }
        thread.name = "mvq link"
        thread.start()
    }

    package var counts: Counts { counted.withLock { $0 } }

    /// Changes the link from now on.
    package func set(_ conditions: LinkConditions) { commands.post(.conditions(conditions)) }
    /// Existing connections fall silent without an end, as when a router forgets them; new ones work.
    package func swallow() { commands.post(.swallow) }
    /// Ends the swallowed connections with a reset, as a router does that has come back.
    package func release() { commands.post(.release) }
    /// Ends all connections with a reset.
    package func reset() { commands.post(.reset) }
    /// Nothing gets through, on existing and on new connections, until it heals: then new ones work.
    package func partition(_ isApart: Bool) { commands.post(.partition(isApart)) }
    /// Ends the proxy and all its connections.
    package func stop() { commands.post(.end) }

    // MARK: The thread

    private static var now: Double { ProcessInfo.processInfo.systemUptime }

    private func run(listeners: [Int32], port: Int, _ first: LinkConditions, _ random: Philox) {
        var conditions = first
        var connections: [Connection] = []
        var isApart = false
        defer {
            for connection in connections { LinkProxy.end(connection) }
            for listener in listeners { close(listener) }
        }
        while true {
            for command in commands.drain() {
                switch command {
                case .conditions(let new): conditions = new
                case .swallow: for index in connections.indices { swallow(&connections[index]) }
                case .partition(let apart):
                    isApart = apart
                    if apart { for index in connections.indices { swallow(&connections[index]) } }
                case .release:
                    for connection in connections where connection.pumps[0].isSwallowed { LinkProxy.end(connection) }
                    connections.removeAll { $0.pumps[0].isSwallowed }
                case .reset:
                    for connection in connections { LinkProxy.end(connection) }
                    connections = []
                case .end: return
                }
            }
            let readable = LinkProxy.waitFor([commands.fileDescriptor] + listeners, connections, conditions)
            for (index, listener) in listeners.enumerated() where readable.contains(listener) {
                guard var connection = accept(listener, port: port + index, isBulk: index == 1, random) else { continue }
                if isApart { swallow(&connection) }
                connections.append(connection)
            }
            connections = connections.compactMap { LinkProxy.pump($0, readable, conditions, counted) }
        }
    }

    private func swallow(_ connection: inout Connection) {
        if !connection.pumps[0].isSwallowed { counted.withLock { $0.swallowed += 1 } }
        for index in connection.pumps.indices { connection.pumps[index].swallow() }
    }

    private func accept(_ listener: Int32, port: Int, isBulk: Bool, _ random: Philox) -> Connection? {
        let client = Glibc.accept(listener, nil, nil)
        guard client >= 0 else { return nil }
        guard let server = TCP.connect(to: TCP.address(host: 127 << 24 | 1, port: port)) else {
            TCP.reset(client)
            return nil
        }
        for descriptor in [client, server] { TCP.makeDirect(descriptor) }
        let number = counted.withLock { counts in
            counts.connections += 1
            return counts.connections
        }
        return Connection(
            client: client, server: server, isBulk: isBulk,
            pumps: [
                LinkPump(from: client, to: server, random: random, stream: 2 * number),
                LinkPump(from: server, to: client, random: random, stream: 2 * number + 1),
            ])
    }

    /// Waits until something can be read, or is due.
    private static func waitFor(_ others: [Int32], _ connections: [Connection], _ conditions: LinkConditions) -> Set<Int32> {
        let pumps = connections.flatMap(\.pumps)
        var items = (others + pumps.filter(\.wantsToRead).map(\.source)).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        let due = pumps.compactMap { $0.nextDue(conditions) }.min()
        // A full socket is tried again after a millisecond.
        let milliseconds = due.map { Int32(max(1, min(1000, (($0 - now) * 1000).rounded(.up)))) } ?? 1000
        poll(&items, nfds_t(items.count), milliseconds)
        return Set(items.filter { $0.revents != 0 }.map(\.fd))
    }

    /// Moves what can be moved; nil when the connection has ended.
    private static func pump(
        _ connection: Connection, _ readable: Set<Int32>, _ conditions: LinkConditions, _ counted: borrowing Mutex<Counts>
    ) -> Connection? {
        var connection = connection
        for index in connection.pumps.indices {
            let before = connection.pumps[index].flips
            var holds = true
            if readable.contains(connection.pumps[index].source), connection.pumps[index].wantsToRead {
                holds = connection.pumps[index].read(conditions, isBulk: connection.isBulk, now: now)
            }
            holds = holds && connection.pumps[index].write(conditions, now: now)
            let flips = connection.pumps[index].flips - before
            if flips > 0 { counted.withLock { $0.flips += flips } }
            guard holds else {
                end(connection)
                return nil
            }
        }
        guard connection.isFinished else { return connection }
        close(connection.client)
        close(connection.server)
        return nil
    }

    private static func end(_ connection: Connection) {
        TCP.reset(connection.client)
        TCP.reset(connection.server)
    }
}

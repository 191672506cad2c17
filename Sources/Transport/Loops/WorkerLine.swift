import Fleet

/// One of a worker's two sockets, what it has not taken yet, and the socket that tells of its connection.
struct WorkerLine {
    let socket: Socket
    let monitor: Socket
    let opened = Instant.current
    var outbox: [[Part]] = []

    mutating func send(_ parts: [Part]) {
        outbox.append(parts)
        flush()
    }

    mutating func flush() {
        var sent = 0
        while sent < outbox.count, socket.send(outbox[sent]) == .sent { sent += 1 }
        if sent > 0 { outbox.removeFirst(sent) }
    }

    func close(dropUnsent: Bool) {
        if dropUnsent { socket.dropUnsent() }
        socket.endMonitor()
        monitor.close()
        socket.close()
    }
}

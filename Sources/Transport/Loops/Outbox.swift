import Fleet

/// Bulk messages that a full socket did not take yet, in order for each session.
struct Outbox {
    private var queues: [SessionID: [[Part]]] = [:]
    /// The sessions with a queue, in the order in which they got one.
    private var sessions: [SessionID] = []

    var isEmpty: Bool { sessions.isEmpty }

    /// Sends a message, or keeps it behind those that wait already.
    /// - Returns: false when the session cannot be reached.
    mutating func send(_ parts: [Part], to session: SessionID, on socket: Socket) -> Bool {
        guard queues[session] == nil else {
            queues[session]?.append(parts)
            return true
        }
        switch socket.send(parts) {
        case .sent: return true
        case .unreachable: return false
        case .full:
            queues[session] = [parts]
            sessions.append(session)
            return true
        }
    }

    /// Tries again what was not taken.
    /// - Returns: the sessions that cannot be reached.
    mutating func flush(on socket: Socket) -> [SessionID] {
        var (unreachable, waiting): ([SessionID], [SessionID]) = ([], [])
        for session in sessions {
            guard var queue = queues.removeValue(forKey: session) else { continue }
            var outcome = Socket.Sent.sent
            let sent = queue.firstIndex { parts in
                outcome = socket.send(parts)
                return outcome != .sent
            }
            switch outcome {
            case .sent: continue
            case .unreachable: unreachable.append(session)
            case .full:
                queue.removeFirst(sent ?? 0)
                queues[session] = queue
                waiting.append(session)
            }
        }
        sessions = waiting
        return unreachable
    }

    /// Forgets what waits for a session.
    mutating func remove(_ session: SessionID) {
        guard queues.removeValue(forKey: session) != nil else { return }
        sessions.removeAll { $0 == session }
    }

    mutating func removeAll() { self = Outbox() }
}

/// What happened to keys and to peers that misbehave; the part of `FleetEvent` that an operator should look at.
public enum SecurityEvent: Sendable, Equatable, CustomStringConvertible {
    /// A peer with a key that is not on the list was turned away. Reported once a minute for each key.
    case unknownKey(String, address: String)
    /// A key spoke in a session that another key had opened, or took another's process id; what it said was dropped.
    case spoofed(SessionID, key: String)
    /// The list of keys was read anew.
    case listChanged(added: [String], removed: [String])
    /// The list of keys cannot be used; the keys read before stay in force.
    case listUnusable(reason: String)
    /// A worker or a key made too many errors and is refused for a while.
    case barred(peer: String, reason: String, seconds: Double)
    /// So many reports of one kind were kept back within a minute.
    case omitted(Int)

    public var description: String {
        switch self {
        case .unknownKey(let key, let address):
            "a peer at \(address) was turned away: its key \(key) is not in authorized_keys; if it is yours, add the line of its worker.public"
        case .spoofed(let session, let key):
            "key \(key) spoke in session \(session.short), which another key has opened: dropped; the holder of this key is up to no good"
        case .listChanged(let added, let removed):
            "authorized_keys was read anew: "
                + [("admitted now", added), ("shut out", removed)].filter { !$0.1.isEmpty }
                .map { "\($0.0): \($0.1.joined(separator: ", "))" }.joined(separator: "; ")
        case .listUnusable(let reason): "\(reason) (the keys read before stay in force)"
        case .barred(let peer, let reason, let seconds): "\(peer) is refused for \(Int(seconds)) s: \(reason)"
        case .omitted(let count): "\(count) more of these within the last minute"
        }
    }
}

/// Peers with the wrong keys.
enum KeyRows {
    private static let noKeys: @Sendable (Drill.Form) -> String? = { _ in "this build has no keys: connections are not authenticated" }

    static let wrongKey = FaultRow(
        20, "Wrong, revoked or no key", injection: "clients with other keys", expected: "not taken in (77), said once a minute, training unaffected", obstacle: noKeys
    ) { _ in }

    static let spoofed = FaultRow(
        21, "A valid worker speaks in another's session", injection: "a fake worker under a foreign session id", expected: "dropped and reported", obstacle: noKeys
    ) { _ in }
}

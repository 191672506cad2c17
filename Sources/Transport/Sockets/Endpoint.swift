/// The parts of `tcp://host:port`.
package struct Endpoint: Equatable, Sendable {
    /// The host as written, IPv6 addresses in brackets.
    package let host: String
    /// Nil for `*`: any free port.
    package let port: Int?

    /// Reads an address; the port is a number or `*`.
    package init(_ address: String) throws(TransportError) {
        let scheme = "tcp://"
        guard address.hasPrefix(scheme) else { throw .badAddress(address, reason: "it does not begin with tcp://") }
        let rest = address.dropFirst(scheme.count)
        guard let colon = rest.lastIndex(of: ":"), colon > rest.startIndex else {
            throw .badAddress(address, reason: "it has no port")
        }
        host = String(rest[..<colon])
        let digits = rest[rest.index(after: colon)...]
        if digits == "*" || digits == "0" {
            port = nil
        } else if let number = Int(digits), (1...65535).contains(number) {
            port = number
        } else {
            throw .badAddress(address, reason: "its port is neither * nor 1...65535")
        }
    }

    /// True when only processes of this machine can reach the address. Other names than `localhost` are not resolved: they may change.
    package var isLoopback: Bool {
        if ["localhost", "[::1]"].contains(host) { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// The address of another port of the host.
    package func address(port: Int?) -> String { "tcp://\(host):\(port.map(String.init) ?? "*")" }
}

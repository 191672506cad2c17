import Foundation

/// A peer of ZeroMQ's wire protocol, as far as announcing a frame, or being refused.
enum RawPeer {
    /// Signature, version 3.0, mechanism NULL, no server, filler.
    private static let greeting: [UInt8] =
        [0xff] + Array(repeating: 0, count: 8) + [0x7f, 3, 0] + pad(Array("NULL".utf8), 20) + Array(repeating: 0, count: 32)

    /// Greets as peers without keys do, and waits until it is turned away.
    /// - Returns: false if nobody listens.
    static func knock(at port: Int) -> Bool {
        guard let descriptor = TCP.connect(to: TCP.address(host: 127 << 24 | 1, port: port)) else { return false }
        defer { TCP.reset(descriptor) }
        var patience = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        guard send(descriptor, greeting, greeting.count, Int32(MSG_NOSIGNAL)) == greeting.count else { return true }
        var buffer = [UInt8](repeating: 0, count: 256)
        while recv(descriptor, &buffer, buffer.count, 0) > 0 {}
        return true
    }

    /// Shakes hands, announces a frame of so many bytes, and waits until the connection is cut.
    ///
    /// - Throws: `ChaosFailure` if it is not.
    static func announce(_ bytes: UInt64, to port: Int) throws {
        guard let descriptor = TCP.connect(to: TCP.address(host: 127 << 24 | 1, port: port)) else { throw ChaosFailure("port \(port): nobody listens") }
        defer { close(descriptor) }
        var patience = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        func property(_ name: String, _ value: String) -> [UInt8] {
            [UInt8(name.utf8.count)] + Array(name.utf8) + [0, 0, 0, UInt8(value.utf8.count)] + Array(value.utf8)
        }
        let body = [5] + Array("READY".utf8) + property("Socket-Type", "DEALER") + property("Identity", String(repeating: "e", count: 32))
        let frame: [UInt8] = [2] + (0..<8).map { UInt8(truncatingIfNeeded: bytes >> (56 - 8 * UInt64($0))) }
        let message = greeting + [4, UInt8(body.count)] + body + frame + Array(repeating: 7, count: 1000)
        guard send(descriptor, message, message.count, Int32(MSG_NOSIGNAL)) == message.count else { throw ChaosFailure("port \(port): cannot send") }
        var buffer = [UInt8](repeating: 0, count: 1024)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count == 0 || (count < 0 && errno == ECONNRESET) { return }
            guard count > 0 || errno == EINTR else { throw ChaosFailure("port \(port): still connected after announcing \(bytes) bytes") }
        }
    }

    private static func pad(_ bytes: [UInt8], _ count: Int) -> [UInt8] { bytes + Array(repeating: 0, count: count - bytes.count) }
}

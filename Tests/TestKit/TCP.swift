import Foundation

/// A call of the system failed.
package struct TCPFailure: Error, CustomStringConvertible {
    let code: Int32
    package var description: String { String(cString: strerror(code)) }
}

/// A plain TCP connection, for peers that do not speak ZeroMQ as they should.
package final class TCPConnection: Sendable {
    private let descriptor: Int32

    package init(descriptor: Int32) { self.descriptor = descriptor }

    /// Connects to a port of this machine.
    package init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = loopback(port: port)
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        guard result == 0 else { throw TCPFailure(code: errno) }
    }

    deinit { Foundation.close(descriptor) }

    package func close() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    /// False when the peer has closed the connection.
    @discardableResult
    package func send(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    /// Exactly so many bytes; nil when the connection ends before.
    package func receive(_ count: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 4096)
        while bytes.count < count {
            let read = recv(descriptor, &part, min(part.count, count - bytes.count), 0)
            guard read > 0 else { return nil }
            bytes += part[..<read]
        }
        return bytes
    }

    /// Waits for the peer to close the connection; what it still sends is thrown away.
    package func waitForEnd() {
        while receive(1) != nil {}
    }
}

/// A TCP socket that listens on a free port of this machine.
package final class TCPListener: Sendable {
    package let port: Int
    private let descriptor: Int32

    package init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = loopback(port: 0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && listen(descriptor, 16) == 0 && getsockname(descriptor, $0, &size) == 0
            }
        }
        guard result else { throw TCPFailure(code: errno) }
        port = Int(in_port_t(bigEndian: address.sin_port))
    }

    deinit { close(descriptor) }

    /// The next connection; nil after `stop()`.
    package func accept() -> TCPConnection? {
        let connection = Foundation.accept(descriptor, nil, nil)
        return connection < 0 ? nil : TCPConnection(descriptor: connection)
    }

    package func stop() { shutdown(descriptor, Int32(SHUT_RDWR)) }
}

private func loopback(port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    return address
}

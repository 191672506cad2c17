import Checksums
import Fleet
import Foundation
import TensorCore
import Training

extension Run {
    /// Writes records as a journal whose chain of digests is intact.
    static func writeJournal(_ records: [JournalRecord], to path: String) throws {
        var journal = Journal { SHA256.digest(of: $0) }
        var text = ""
        for record in records { text += journal.append(record) }
        try text.write(toFile: path, atomically: true, encoding: .utf8)
    }
}

extension TrainingState {
    /// The digest of a weight vector.
    static func digest(of weights: Tensor) -> String { weights.withBytes { SHA256.digest(of: $0) } }
}

/// A listening TCP socket on the loopback address.
final class Listener {
    let port: Int
    private let descriptor: Int32

    /// Binds to a port, or to any free one; nil when it is taken.
    init?(port: Int = 0) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 1) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        self.descriptor = descriptor
        self.port = Int(in_port_t(bigEndian: address.sin_port))
        guard isBound else { return nil }
    }

    deinit { close(descriptor) }
}

/// A port with a free one after it, below the range from which the system picks ports for outgoing connections.
func freePortPair() throws -> Int {
    let start = 20_000 + Int(ProcessInfo.processInfo.processIdentifier) % 5000 * 2
    for port in stride(from: start, to: 32_000, by: 2) {
        if let first = Listener(port: port), let second = Listener(port: port + 1) {
            return withExtendedLifetime((first, second)) { port }
        }
    }
    throw Command.Failure(description: "no free ports from \(start)")
}

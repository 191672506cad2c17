import Fleet
import Glibc

/// Asks whoever listens on an address how it protects its connections: the 64 bytes with which every ZMTP 3 connection begins name the mechanism
/// (RFC 23). Nothing else is said, and the connection is closed again.
enum GreetingProbe {
    /// The mechanism (`NULL`, `CURVE`); nil when nobody answers in time or the answer is no greeting.
    ///
    /// - Parameter patience: for connecting and for the answer.
    static func mechanism(at endpoint: Endpoint, patience: Duration = .seconds(2)) -> String? {
        guard let port = endpoint.port else { return nil }
        var wanted = addrinfo()
        wanted.ai_family = AF_INET
        wanted.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(endpoint.host, "\(port)", &wanted, &found) == 0, let found else { return nil }
        defer { freeaddrinfo(found) }
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        let deadline = Instant.current + patience
        guard connect(descriptor, found.pointee.ai_addr, found.pointee.ai_addrlen) == 0 || errno == EINPROGRESS,
            wait(for: Int16(POLLOUT), on: descriptor, until: deadline)
        else { return nil }
        // Signature and version, no more: who has read a mechanism that does not fit closes the connection without naming its own.
        let ours: [UInt8] = [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3]
        guard send(descriptor, ours, ours.count, Int32(MSG_NOSIGNAL)) == ours.count else { return nil }
        var answer: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 64)
        while answer.count < 64 {
            guard wait(for: Int16(POLLIN), on: descriptor, until: deadline) else { return nil }
            let count = recv(descriptor, &part, 64 - answer.count, 0)
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard count > 0 else { return nil }
            answer += part[..<count]
        }
        return mechanism(in: answer)
    }

    private static func mechanism(in greeting: [UInt8]) -> String? {
        guard greeting[0] == 0xff, greeting[9] == 0x7f, greeting[10] >= 3 else { return nil }
        return String(decoding: greeting[12..<32].prefix { $0 != 0 }, as: UTF8.self)
    }

    private static func wait(for events: Int16, on descriptor: Int32, until deadline: Instant) -> Bool {
        while true {
            let left = Instant.current.duration(to: deadline).nanoseconds / 1_000_000
            guard left > 0 else { return false }
            var item = pollfd(fd: descriptor, events: events, revents: 0)
            let count = poll(&item, 1, Int32(clamping: left))
            if count > 0 { return true }
            guard count < 0 && errno == EINTR else { return false }
        }
    }
}

import Fleet
import Glibc
internal import CZeroMQ

extension Socket {
    /// A socket that tells when a connection to this one, a bound ROUTER, has ended. Which one it was it does not tell: whoever hears of it has to ask round.
    func disconnections(in context: Context) throws(TransportError) -> Socket {
        let name = "inproc://disconnections-\(UInt(bitPattern: raw))"
        monitor(at: name, events: ZMQ_EVENT_DISCONNECTED)
        let monitor = try Socket(.pair, in: context)
        monitor.set(ZMQ_LINGER, to: 0)
        try monitor.connect(to: name)
        return monitor
    }
}

/// How many files and connections this process may have open.
package enum OpenFileLimit {
    /// Raises the soft limit to the hard one; every session takes two connections.
    /// - Returns: the limit that holds now.
    @discardableResult
    package static func raise() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        if limit.rlim_cur < limit.rlim_max {
            var raised = limit
            raised.rlim_cur = limit.rlim_max
            if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { limit = raised }
        }
        return Int(clamping: limit.rlim_cur)
    }

    /// Checks that so many more files and connections can be opened, the soft limit raised. With fewer, libraries end the process in the middle of
    /// what it does, without a word.
    /// - Throws: `TransportError.tooFewFiles`.
    package static func require(_ needed: Int = 32) throws(TransportError) {
        let limit = raise()
        var (free, file) = (0, 0)
        while free < needed, file < limit {
            if fcntl(Int32(clamping: file), F_GETFD) < 0 { free += 1 }
            file += 1
        }
        guard free >= needed else { throw .tooFewFiles(limit: limit, needed: needed) }
    }

    /// Sessions that a coordinator can hold within a limit: two connections each, and some files of its own.
    package static func sessions(within limit: Int) -> Int { max(1, (limit - 128) / 2) }
}

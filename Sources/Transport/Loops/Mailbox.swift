import Fleet
import Glibc
import Synchronization

/// A queue from any thread to one that polls: a message makes the file descriptor readable.
package final class Mailbox<Element: Sendable>: Sendable {
    private let queue = Mutex<[Element]>([])
    /// Readable while something is in the queue.
    package let fileDescriptor: Int32
    private let writeEnd: Int32

    package init() {
        var ends: [Int32] = [0, 0]
        // `OpenFileLimit.require` came first.
        precondition(pipe(&ends) == 0, "no pipe: \(String(cString: strerror(errno)))")
        for end in ends {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
        fileDescriptor = ends[0]
        writeEnd = ends[1]
    }

    deinit {
        close(fileDescriptor)
        close(writeEnd)
    }

    /// Adds a message and wakes the reader.
    package func post(_ element: Element) {
        queue.withLock { queue in
            queue.append(element)
            // One byte stands for a queue that is not empty; the pipe never fills up.
            if queue.count == 1 {
                var byte: UInt8 = 1
                while write(writeEnd, &byte, 1) < 0 && errno == EINTR {}
            }
        }
    }

    /// Takes all messages out, in order, without waiting.
    package func drain() -> [Element] {
        queue.withLock { queue in
            guard !queue.isEmpty else { return [] }
            var byte: UInt8 = 0
            while read(fileDescriptor, &byte, 1) < 0 && errno == EINTR {}
            defer { queue = [] }
            return queue
        }
    }

    /// Waits until there are messages, and takes them out.
    package func wait() -> [Element] {
        while true {
            let elements = drain()
            if !elements.isEmpty { return elements }
            var item = pollfd(fd: fileDescriptor, events: Int16(POLLIN), revents: 0)
            poll(&item, 1, -1)
        }
    }
}

extension Instant {
    /// The time on the machine's monotonic clock.
    package static var current: Instant {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }
}

import Foundation
import Synchronization

/// Peers without keys that are turned away and come back at once, as many in a second as two threads can be.
final class HandshakeFlood: Sendable {
    private let isOver = Atomic<Bool>(false)
    private let count = Atomic<Int>(0)
    private let running = DispatchGroup()
    private let start = ProcessInfo.processInfo.systemUptime

    init(port: Int) {
        for _ in 0..<2 {
            running.enter()
            Thread { [self] in
                while !isOver.load(ordering: .relaxed), RawPeer.knock(at: port) { count.wrappingAdd(1, ordering: .relaxed) }
                running.leave()
            }.start()
        }
    }

    /// Handshakes that failed so far, and how many a second.
    var toll: (count: Int, perSecond: Int) {
        let count = count.load(ordering: .relaxed)
        return (count, Int(Double(count) / (ProcessInfo.processInfo.systemUptime - start)))
    }

    /// Ends it, and waits until both threads have.
    func end() {
        isOver.store(true, ordering: .relaxed)
        running.wait()
    }
}

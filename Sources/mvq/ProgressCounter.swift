import Foundation
import Synchronization
import Telemetry

/// A counter on standard error for work that takes more than a moment: `drawing images 340/1000`. Silent when standard error is not a terminal.
final class ProgressCounter: Sendable {
    private let what: String
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let shown: Mutex<Double>

    /// - Parameter delay: seconds before the first line appears.
    init(_ what: String, after delay: Double = 0) {
        self.what = what
        shown = Mutex(delay > 0 ? ProcessInfo.processInfo.systemUptime + delay : 0)
    }

    /// At most ten updates a second are shown. `detail` says what is being done now.
    func update(_ done: Int, of total: Int, _ detail: String = "") {
        guard isTerminal else { return }
        let now = ProcessInfo.processInfo.systemUptime
        let due = shown.withLock { last in
            guard now - last > 0.1 || (done == total && now > last) else { return false }
            last = now
            return true
        }
        if due { StandardError.write("\r\(what) \(done)/\(total)\(detail.isEmpty ? "" : "  \(detail)")\u{1B}[K") }
    }

    /// Clears the line.
    func finish() {
        if isTerminal { StandardError.write("\r\u{1B}[K") }
    }
}

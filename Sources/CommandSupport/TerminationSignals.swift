import Foundation

/// Calls back when the process is asked to end (SIGTERM, SIGINT, SIGUSR1 as a scheduler's early warning, or SIGHUP of a lost terminal), with how
/// often it was asked. What comes within a second counts as one request: a terminal's Ctrl-C and the launching script's SIGTERM arrive together,
/// and so do the signals that a scheduler sends to a job's steps and to its script.
// Sendable: set up once, then only read.
public final class TerminationSignals: @unchecked Sendable {
    private var sources: [any DispatchSourceSignal] = []
    private let queue = DispatchQueue(label: "mvq.signals")
    private var count = 0
    private var last: Double?

    public init(_ handler: @escaping @Sendable (_ times: Int) -> Void) {
        for number in [SIGTERM, SIGINT, SIGHUP, SIGUSR1] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { [self] in
                let now = ProcessInfo.processInfo.systemUptime
                if let last, now - last < 1 { return }
                last = now
                count += 1
                handler(count)
            }
            source.resume()
            sources.append(source)
        }
    }
}

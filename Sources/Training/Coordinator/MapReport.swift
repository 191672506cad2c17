import Fleet
import Foundation
import Synchronization
import Telemetry

/// What a run of a `MapJob` tells people: the progress line, events above it.
final class MapReport: Sendable {
    private struct State {
        var workers: Set<SessionID> = []
        var rate: ExponentialRate
    }

    private let job: any MapJob
    private let progress: ProgressLine
    private let state: Mutex<State>

    /// - Parameter done: steps that earlier processes did.
    init(_ job: any MapJob, progress: ProgressLine, done: Int) {
        self.job = job
        self.progress = progress
        state = Mutex(State(rate: ExponentialRate(timeConstant: 20, startingAt: MapReport.now)))
    }

    private static var now: Double { ProcessInfo.processInfo.systemUptime }

    func event(_ text: String) { progress.event(text) }

    func finish() { progress.finish() }

    /// So many steps are done.
    func step(_ done: Int) {
        let now = MapReport.now
        let (rate, workers) = state.withLock { state in
            state.rate.add(Double(job.images(after: done) - job.images(after: done - 1)), at: now)
            return (state.rate.perSecond, state.workers.count)
        }
        let left = Double(job.images(after: job.steps) - job.images(after: done))
        progress.update(
            ProgressState(
                step: done, totalSteps: job.steps, imagesPerSecond: rate, workers: workers, remainingSeconds: rate.map { left / max($0, 1e-9) }),
            at: now)
    }

    /// Something happened in the fleet; what happens many times a step is not for people.
    func fleet(_ event: FleetEvent) {
        switch event {
        case .joined(let session, _, _): _ = state.withLock { $0.workers.insert(session) }
        case .left(let session, _, _), .lost(let session, _, _, _): _ = state.withLock { $0.workers.remove(session) }
        case .leased, .checked, .blockFinished, .stepStarted: return
        default: break
        }
        self.event("\(event)")
    }
}

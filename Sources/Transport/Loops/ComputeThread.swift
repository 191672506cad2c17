import Fleet
import Foundation
import Synchronization

/// The one thread of a worker that computes. Its results come back through a mailbox, so the loop never waits for it.
final class ComputeThread: Sendable {
    /// Says that the result of a computation is not wanted any more.
    final class Cancellation: Sendable {
        private let flag = Atomic<Bool>(false)
        var isCancelled: Bool { flag.load(ordering: .relaxed) }
        func cancel() { flag.store(true, ordering: .relaxed) }
    }

    enum Job: Sendable {
        case join(Welcome)
        case compute(step: Int, block: SlotBlock, weights: BulkBuffer, chunkBytes: Int, Cancellation)
        case end
    }

    enum Result: Sendable {
        case canary(Canary)
        case joined
        case joinFailed(FleetExit)
        case progress(step: Int, block: SlotBlock, slotsDone: Int)
        case computed(step: Int, block: SlotBlock, ComputedGradient, Cancellation)
        case failed(FleetExit)
    }

    let results = Mailbox<Result>()
    private let jobs = Mailbox<Job>()

    /// Starts the thread.
    init(delegate: any WorkerDelegate) {
        let (jobs, results) = (jobs, results)
        let thread = Thread {
            while true {
                for job in jobs.wait() {
                    if case .end = job { return }
                    ComputeThread.perform(job, delegate, results)
                }
            }
        }
        thread.name = "mvq compute"
        thread.stackSize = 16 << 20
        thread.start()
    }

    func post(_ job: Job) { jobs.post(job) }

    private static func perform(_ job: Job, _ delegate: any WorkerDelegate, _ results: Mailbox<Result>) {
        switch job {
        case .join(let welcome):
            do {
                try delegate.join(welcome)
                if let canary = try delegate.canary() { results.post(.canary(canary)) }
                results.post(.joined)
            } catch {
                results.post(.joinFailed(FleetExit(error)))
            }
        case .compute(let step, let block, let weights, let chunkBytes, let cancellation):
            guard !cancellation.isCancelled else { return }
            var slotsDone = 0
            do {
                let gradient = try delegate.compute(step: step, block: block, weights: weights) {
                    slotsDone += 1
                    results.post(.progress(step: step, block: block, slotsDone: slotsDone))
                    return !cancellation.isCancelled
                }
                if let gradient {
                    results.post(.computed(step: step, block: block, ComputedGradient(gradient, chunkBytes: chunkBytes), cancellation))
                }
            } catch {
                results.post(.failed(FleetExit(error)))
            }
        case .end: break
        }
    }
}

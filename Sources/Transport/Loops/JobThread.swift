import Foundation

/// A thread that does one job after the other, in the order in which they were posted, and posts what comes out of each.
final class JobThread<Job: Sendable, Outcome: Sendable>: Sendable {
    /// Nil ends the thread.
    private let jobs = Mailbox<Job?>()
    private let ended = DispatchSemaphore(value: 0)

    /// Starts the thread.
    /// - Parameters:
    ///   - outcomes: where the outcomes go.
    ///   - perform: called on the thread. The job is let go before its outcome is posted, so that what it held is free by then.
    init(name: String, outcomes: Mailbox<Outcome>, perform: @escaping @Sendable (Job) -> Outcome) {
        let thread = Thread { [jobs, ended] in
            var batch: [Job?] = []
            while let outcome = JobThread.next(&batch, jobs, perform) { outcomes.post(outcome) }
            ended.signal()
        }
        thread.name = name
        thread.stackSize = 16 << 20
        thread.start()
    }

    func post(_ job: Job) { jobs.post(job) }

    /// Waits until everything that was posted is done, and ends the thread; call it once.
    func finish() {
        jobs.post(nil)
        ended.wait()
    }

    private static func next(_ batch: inout [Job?], _ jobs: Mailbox<Job?>, _ perform: (Job) -> Outcome) -> Outcome? {
        if batch.isEmpty { batch = jobs.wait().reversed() }
        guard let job = batch.removeLast() else { return nil }
        return perform(job)
    }
}

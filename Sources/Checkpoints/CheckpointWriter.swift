import Foundation

/// Publishes checkpoints on a thread of its own, so that training goes on meanwhile. At most one snapshot waits while
/// another is being written: memory stays bounded on a slow disk.
///
/// A failure reaches the callback and stops nothing. What could not be written is tried again, from the beginning, every `retrySeconds` until a
/// newer snapshot takes its place, and once more by `finish()`. The thread lives until then.
///
/// ```swift
/// let writer = CheckpointWriter(store: store) { step, result in … }
/// if writer.isReady { writer.offer(snapshot()) }      // never waits
/// writer.waitForRoom()                                // waits for its turn
/// writer.offer(lastSnapshot)
/// writer.finish()                                     // waits until all is published
/// ```
public final class CheckpointWriter: @unchecked Sendable {
    // @unchecked: every mutable property is read and written under `condition` only.
    private let condition = NSCondition()
    private let retrySeconds: Double
    private var waiting: (any CheckpointContent)?
    /// What could not be written.
    private var failed: (any CheckpointContent)?
    private var isWriting = false
    private var isFinishing = false
    private var hasEnded = false
    private var duration: Double?

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - store: where to publish; already prepared.
    ///   - retrySeconds: pause before what failed is tried again.
    ///   - completed: called on the writer's thread after each attempt with the step and what became of it.
    public init(
        store: CheckpointStore, retrySeconds: Double = 30,
        completed: @escaping @Sendable (_ step: Int, Result<PublishedCheckpoint, any Error>) -> Void
    ) {
        self.retrySeconds = retrySeconds
        let thread = Thread { [self] in
            while let checkpoint = next() {
                let start = ProcessInfo.processInfo.systemUptime
                let result = Result { try store.publish(checkpoint) }
                note(result, of: checkpoint, seconds: ProcessInfo.processInfo.systemUptime - start)
                completed(checkpoint.step, result)
            }
            condition.withLock {
                hasEnded = true
                condition.broadcast()
            }
        }
        thread.name = "checkpoint writer"
        thread.start()
    }

    /// Whether a snapshot would be taken at once. Ask before copying the weights.
    public var isReady: Bool {
        condition.withLock { waiting == nil && !isFinishing }
    }

    /// Snapshots that are being written or wait.
    public var backlog: Int {
        condition.withLock { (isWriting ? 1 : 0) + (waiting == nil ? 0 : 1) }
    }

    /// How long the last publication took; nil before the first.
    public var secondsPerCheckpoint: Double? { condition.withLock { duration } }

    /// Takes a snapshot if there is room for it; false when one waits already or after `finish()`.
    @discardableResult
    public func offer(_ checkpoint: some CheckpointContent) -> Bool {
        condition.withLock {
            guard waiting == nil, !isFinishing else { return false }
            waiting = checkpoint
            condition.broadcast()
            return true
        }
    }

    /// Waits until a snapshot would be taken at once; false only after `finish()`. Wait before copying the weights.
    @discardableResult
    public func waitForRoom() -> Bool {
        condition.withLock {
            while waiting != nil && !isFinishing { condition.wait() }
            return !isFinishing
        }
    }

    /// Takes a snapshot, after waiting for room if need be; false only after `finish()`.
    @discardableResult
    public func submit(_ checkpoint: some CheckpointContent) -> Bool {
        while waitForRoom() {
            if offer(checkpoint) { return true }
        }
        return false
    }

    /// Waits until everything taken so far is published or has failed once.
    public func waitUntilIdle() {
        condition.withLock {
            while isWriting || waiting != nil { condition.wait() }
        }
    }

    /// Waits until everything taken so far is published or has failed, what had failed before once more, and ends the thread. May be called again.
    public func finish() {
        condition.withLock {
            isFinishing = true
            condition.broadcast()
            while !hasEnded { condition.wait() }
        }
    }

    private func note(_ result: Result<PublishedCheckpoint, any Error>, of checkpoint: any CheckpointContent, seconds: Double) {
        condition.withLock {
            isWriting = false
            condition.broadcast()
            switch result {
            case .success: duration = seconds
            // The last try was the last.
            case .failure: failed = isFinishing && waiting == nil ? nil : checkpoint
            }
        }
    }

    /// The next snapshot to write; nil when the thread is to end.
    private func next() -> (any CheckpointContent)? {
        condition.withLock {
            let retry = failed == nil ? Double.infinity : ProcessInfo.processInfo.systemUptime + retrySeconds
            while waiting == nil && !isFinishing {
                let left = retry - ProcessInfo.processInfo.systemUptime
                guard left > 0 else { break }
                // In short waits: the clock of this call is the calendar's, which may be set.
                if left.isFinite { _ = condition.wait(until: Date(timeIntervalSinceNow: min(left, 1))) } else { condition.wait() }
            }
            let checkpoint = waiting ?? failed
            waiting = nil
            failed = nil
            isWriting = checkpoint != nil
            condition.broadcast()
            return checkpoint
        }
    }
}

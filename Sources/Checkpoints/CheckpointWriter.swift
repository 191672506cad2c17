import Foundation

/// Publishes checkpoints on a thread of its own, so that training goes on meanwhile. At most one snapshot waits while
/// another is being written: memory stays bounded on a slow disk.
///
/// A failure reaches the callback and stops nothing: whether training goes on is the callback's decision. The thread lives
/// until `finish()`.
///
/// ```swift
/// let writer = CheckpointWriter(store: store) { step, result in … }
/// if writer.isReady { writer.offer(snapshot()) }      // never waits
/// writer.submit(lastSnapshot)                         // waits for its turn
/// writer.finish()                                     // waits until all is published
/// ```
public final class CheckpointWriter: @unchecked Sendable {
    // @unchecked: every mutable property is read and written under `condition` only.
    private let condition = NSCondition()
    private var waiting: Checkpoint?
    private var isFinishing = false
    private var hasEnded = false

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - store: where to publish; already prepared.
    ///   - completed: called on the writer's thread after each attempt with the step and what became of it.
    public init(
        store: CheckpointStore, completed: @escaping @Sendable (_ step: Int, Result<PublishedCheckpoint, any Error>) -> Void
    ) {
        let thread = Thread { [self] in
            while let checkpoint = next() {
                let result = Result { try store.publish(checkpoint) }
                completed(checkpoint.step, result)
            }
        }
        thread.name = "checkpoint writer"
        thread.start()
    }

    /// Whether a snapshot would be taken at once. Ask before copying the weights.
    public var isReady: Bool {
        condition.withLock { waiting == nil && !isFinishing }
    }

    /// Takes a snapshot if there is room for it; false when one waits already or after `finish()`.
    @discardableResult
    public func offer(_ checkpoint: Checkpoint) -> Bool {
        condition.withLock {
            guard waiting == nil, !isFinishing else { return false }
            waiting = checkpoint
            condition.broadcast()
            return true
        }
    }

    /// Takes a snapshot, after waiting for room if need be; false only after `finish()`.
    @discardableResult
    public func submit(_ checkpoint: Checkpoint) -> Bool {
        condition.withLock {
            while waiting != nil && !isFinishing { condition.wait() }
            guard !isFinishing else { return false }
            waiting = checkpoint
            condition.broadcast()
            return true
        }
    }

    /// Waits until everything taken so far is published (or has failed) and ends the thread. May be called again.
    public func finish() {
        condition.withLock {
            isFinishing = true
            condition.broadcast()
            while !hasEnded { condition.wait() }
        }
    }

    /// The next snapshot to write; nil when the thread is to end.
    private func next() -> Checkpoint? {
        condition.withLock {
            while waiting == nil && !isFinishing { condition.wait() }
            guard let checkpoint = waiting else {
                hasEnded = true
                condition.broadcast()
                return nil
            }
            waiting = nil
            condition.broadcast()
            return checkpoint
        }
    }
}

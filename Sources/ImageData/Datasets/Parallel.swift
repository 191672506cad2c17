import Dispatch
import Synchronization

/// Calls `body` with 0..<count on all cores and waits; the order is open, so calls must not depend on each other. All
/// calls are made even when one fails; then the failure of the lowest index is thrown.
func forEachInParallel<Failure: Error>(
    _ count: Int, _ body: @Sendable (Int) throws(Failure) -> Void
) throws(Failure) {
    let first = Mutex<(index: Int, failure: Failure)?>(nil)
    DispatchQueue.concurrentPerform(iterations: count) { index in
        do throws(Failure) {
            try body(index)
        } catch {
            first.withLock { if index < $0?.index ?? .max { $0 = (index, error) } }
        }
    }
    if let failure = first.withLock({ $0?.failure }) { throw failure }
}

/// The results of `body` for 0..<count, computed on all cores.
func mapInParallel<Value: Sendable>(_ count: Int, _ body: @Sendable (Int) -> Value) -> [Value] {
    let results = Mutex([Value?](repeating: nil, count: count))
    forEachInParallel(count) { index in
        let value = body(index)
        results.withLock { $0[index] = value }
    }
    return results.withLock { $0.compactMap(\.self) }
}

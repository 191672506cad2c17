import Checkpoints
import Foundation
import Synchronization
import Testing

struct CheckpointWriterTests {
    let folder = TemporaryFolder()

    final class Log: Sendable {
        private let entries = Mutex<[String]>([])
        func add(_ entry: String) { entries.withLock { $0.append(entry) } }
        var all: [String] { entries.withLock { $0 } }
    }

    @Test func publishesInOrderAndFinishWaits() throws {
        let store = CheckpointStore(directory: folder.path, keepLast: 10)
        let log = Log()
        let writer = CheckpointWriter(store: store) { step, result in log.add("\(step) \((try? result.get()) != nil)") }
        for step in 1...5 { #expect(writer.submit(sampleCheckpoint(step: step))) }
        writer.finish()
        #expect(log.all == ["1 true", "2 true", "3 true", "4 true", "5 true"])
        #expect(try store.steps() == [1, 2, 3, 4, 5])
        #expect(!writer.submit(sampleCheckpoint(step: 6)) && !writer.offer(sampleCheckpoint(step: 6)) && !writer.isReady)
        writer.finish()
    }

    @Test func oneSnapshotWaitsWhileAnotherIsWritten() throws {
        let (started, mayGoOn) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let store = CheckpointStore(directory: folder.path) { stage in
            guard stage == .write else { return }
            started.signal()
            mayGoOn.wait()
        }
        let writer = CheckpointWriter(store: store) { _, _ in }
        #expect(writer.isReady && writer.offer(sampleCheckpoint(step: 1)))
        started.wait()
        #expect(writer.isReady && writer.offer(sampleCheckpoint(step: 2)))
        #expect(!writer.isReady && !writer.offer(sampleCheckpoint(step: 3)))
        mayGoOn.signal()
        mayGoOn.signal()
        writer.finish()
        #expect(try store.steps() == [1, 2])
    }

    /// What failed is tried again from the beginning, without anybody asking.
    @Test func whatFailedIsTriedAgain() throws {
        let store = CheckpointStore(directory: folder.path)
        struct Trouble: Error {}
        let failures = Mutex(3)
        let attempts = Mutex<[PublishStage]>([])
        let failing = CheckpointStore(directory: folder.path) { stage in
            attempts.withLock { $0.append(stage) }
            // As if fsync had failed.
            guard stage == .verify else { return }
            try failures.withLock { left in
                if left > 0 { left -= 1; throw Trouble() }
            }
        }
        let log = Log()
        let published = DispatchSemaphore(value: 0)
        let writer = CheckpointWriter(store: failing, retrySeconds: 0.01) { step, result in
            log.add("\(step) \((try? result.get()) != nil)")
            if case .success = result { published.signal() }
        }
        writer.offer(sampleCheckpoint(step: 1))
        published.wait()
        #expect(log.all == ["1 false", "1 false", "1 false", "1 true"])
        #expect(attempts.withLock { $0 }.count { $0 == .write } == 4, "each attempt writes the whole file")
        #expect(identical(try store.load(step: 1).checkpoint, sampleCheckpoint(step: 1)))
        writer.finish()
        #expect(log.all.count == 4 && writer.backlog == 0 && writer.secondsPerCheckpoint != nil)
    }

    /// A newer snapshot takes the place of one that failed; at the end it is tried once more.
    @Test func aNewerSnapshotReplacesWhatFailedAndTheEndTriesAgain() throws {
        let isBroken = Mutex(true)
        struct Trouble: Error {}
        let failing = CheckpointStore(directory: folder.path) { stage in
            if stage == .write, isBroken.withLock({ $0 }) { throw Trouble() }
        }
        let log = Log()
        let tried = DispatchSemaphore(value: 0)
        let writer = CheckpointWriter(store: failing, retrySeconds: 1e6) { step, result in
            log.add("\(step) \((try? result.get()) != nil)")
            tried.signal()
        }
        for step in 1...2 {
            writer.offer(sampleCheckpoint(step: step))
            tried.wait()
        }
        isBroken.withLock { $0 = false }
        writer.finish()
        #expect(log.all == ["1 false", "2 false", "2 true"])
        #expect(try failing.steps() == [2])
    }

    @Test func aFailureIsReportedAndTheNextOneStillWritten() throws {
        let store = CheckpointStore(directory: folder.path)
        let failures = Mutex(1)
        struct Trouble: Error {}
        let failing = CheckpointStore(directory: folder.path) { stage in
            guard stage == .verify else { return }
            try failures.withLock { left in
                if left > 0 { left -= 1; throw Trouble() }
            }
        }
        let log = Log()
        let writer = CheckpointWriter(store: failing) { step, result in
            switch result {
            case .success: log.add("\(step) published")
            case .failure(let error): log.add("\(step) \(error is CheckpointError)")
            }
        }
        writer.submit(sampleCheckpoint(step: 1))
        writer.submit(sampleCheckpoint(step: 2))
        writer.finish()
        #expect(log.all == ["1 true", "2 published"])
        #expect(try store.steps() == [2])
    }
}

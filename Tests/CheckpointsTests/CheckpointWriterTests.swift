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

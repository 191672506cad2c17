import Fleet
import Testing

/// Two sides with nothing but chunks and credits between them.
@Suite struct CreditTests {
    /// Whatever the sizes, a worker gets all its chunks, never more than the credit are on the way, and one message gives several chunks back.
    @Test(arguments: [(8, 8, 20), (8, 16, 20), (8, 9, 1000), (64, 1024, 100_000), (1, 1, 3), (7, 100, 99)])
    func creditNeverRunsDry(chunkBytes: Int, creditBytes: Int, weightsBytes: Int) {
        var configuration = CoordinatorStateTests.configuration
        (configuration.chunkBytes, configuration.creditBytes) = (chunkBytes, creditBytes)
        configuration.weightsBytes = weightsBytes
        let (session, now) = (CoordinatorStateTests.session, CoordinatorStateTests.start)
        var coordinator = CoordinatorState(configuration: configuration, plan: Toy.plan(step: 0, slots: 2), now: now)
        let hello = CoordinatorStateTests.hello()
        var worker = WorkerState(hello: hello, address: "here", now: now)
        _ = worker.handle(.tick, now: now)
        var (toWorker, toCoordinator): ([WorkerState.Event], [CoordinatorState.Event]) = ([], [.control(.hello(hello), from: session)])
        var (chunks, credits, onTheWay, most, hasAll) = (0, 0, 0, 0, false)
        var workerSession = session
        while !toWorker.isEmpty || !toCoordinator.isEmpty {
            if !toCoordinator.isEmpty {
                for action in coordinator.handle(toCoordinator.removeFirst(), now: now) {
                    switch action {
                    case .send(let message, _): toWorker.append(.control(message))
                    case .sendWeights(let step, let chunk, let bytes, _):
                        chunks += 1
                        onTheWay += bytes.count
                        most = max(most, onTheWay)
                        let count = ChunkLayout(totalBytes: weightsBytes, chunkBytes: chunkBytes).count
                        toWorker.append(
                            .bulk(
                                BulkHeader(
                                    kind: .weights, runID: configuration.runID, generation: 3, session: workerSession, step: step, chunk: chunk,
                                    chunkCount: count, offset: bytes.lowerBound, payloadBytes: bytes.count, totalBytes: weightsBytes)))
                    default: break
                    }
                }
                continue
            }
            var events = [toWorker.removeFirst()]
            while !events.isEmpty {
                for action in worker.handle(events.removeFirst(), now: now) {
                    switch action {
                    case .send(.credit(let bytes)):
                        credits += 1
                        onTheWay -= bytes
                        toCoordinator.append(.control(.credit(bytes: bytes), from: session))
                    case .send(.weightsReceived(let step)):
                        hasAll = true
                        toCoordinator.append(.control(.weightsReceived(step: step), from: session))
                    case .send(let message): toCoordinator.append(.control(message, from: session))
                    case .openBulk(_, let attach):
                        workerSession = attach.session
                        var header = attach
                        header.session = session
                        toCoordinator.append(.bulk(header, from: session))
                    case .buildModel: events.append(.modelReady)
                    default: break
                    }
                }
            }
        }
        #expect(hasAll && chunks == (weightsBytes + chunkBytes - 1) / chunkBytes)
        #expect(most <= creditBytes)
        if creditBytes >= 16 * chunkBytes { #expect(credits * 4 <= chunks, "\(credits) messages for \(chunks) chunks") }
    }
}

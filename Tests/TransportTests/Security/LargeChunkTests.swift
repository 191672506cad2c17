import Fleet
import Foundation
import Testing
import Transport

/// Chunks of the largest size through encrypted sockets: what encryption adds to a frame must not run into the limit of frames.
@Suite struct LargeChunkTests {
    static let bytes = 64 << 20

    /// Hands out weights that are all `step`, and takes gradients that must be all `step + 1`.
    final class Coordinator: CoordinatorDelegate, @unchecked Sendable {
        private(set) var isRight: [Bool] = []
        private(set) var events: [FleetEvent] = []

        func weights() -> BulkPayload {
            let buffer = BulkBuffer(count: LargeChunkTests.bytes)
            buffer.bytes.initializeMemory(as: UInt8.self, repeating: UInt8(isRight.count + 1))
            return BulkPayload(buffer)
        }
        func sample(_ id: Int) throws -> [UInt8] { [] }
        func restartStep(_ step: Int) {}
        func merge(step: Int, block: SlotBlock, gradient: BulkBuffer) throws {
            isRight.append(gradient.bytes.allSatisfy { $0 == UInt8(step + 2) })
        }
        func finishStep(_ step: Int, blocks: [LeaseTable.Finished]) throws -> StepPlan? { step == 1 ? nil : LargeChunkTests.plan(step + 1) }
        /// Called when a worker is lost: then the test has failed, and need not go on for ever.
        var lost: () -> Void = {}
        func report(_ event: FleetEvent) {
            events.append(event)
            if case .lost = event { lost() }
        }
    }

    final class Worker: WorkerDelegate {
        func join(_ welcome: Welcome) throws {}
        func plan(step: Int) throws -> StepPlan { LargeChunkTests.plan(step) }
        func missingSamples(step: Int, block: SlotBlock) throws -> [Int] { [] }
        func store(sample id: Int, bytes: [UInt8]) throws {}
        func compute(step: Int, block: SlotBlock, weights: BulkBuffer, slotDone: () -> Bool) throws -> BulkPayload? {
            guard weights.bytes.allSatisfy({ $0 == UInt8(step + 1) }) else {
                throw ToyError(exitCode: ExitCode.software, description: "wrong weights in step \(step)")
            }
            let gradient = BulkBuffer(count: LargeChunkTests.bytes)
            gradient.bytes.initializeMemory(as: UInt8.self, repeating: UInt8(step + 2))
            return BulkPayload(gradient)
        }
        func report(_ event: WorkerEvent) {}
    }

    static func plan(_ step: Int) -> StepPlan { StepPlan(step: step, epoch: 0, slots: 1, samplesDigest: "large") }

    @Test func theLargestChunksFit() async throws {
        let ring = try KeyRing(workers: ["node1"])
        var configuration = CoordinatorConfiguration(
            runID: Toy.runID, generation: 1, buildVersion: "test", numericClass: "toy", configuration: "toy: true", datasetFingerprint: "toy data",
            sampleCount: 1, weightsBytes: Self.bytes, gradientBytes: Self.bytes)
        configuration.timing = Toy.timing
        #expect(configuration.chunkBytes == ControlMessage.largestChunk)
        let delegate = Coordinator()
        let loop = try CoordinatorLoop(
            configuration: configuration, plan: Self.plan(0), listen: "tcp://127.0.0.1:*", security: ring.coordinator, delegate: delegate)
        delegate.lost = { loop.requestStop(exitCode: ExitCode.software, text: "a worker was lost") }
        let worker = try WorkerLoop(
            address: loop.endpoint, hello: Toy.hello(0), timing: Toy.timing, security: ring.worker("node1"), delegate: Worker())
        let running = Running { worker.run() }
        #expect(await Running { loop.run() }.value.exitCode == 0)
        #expect(await running.value.exitCode == 0)
        #expect(delegate.isRight == [true, true])
        #expect(!delegate.events.contains { if case .lost = $0 { true } else { false } })
    }
}

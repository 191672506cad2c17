import Checksums
import Fleet
import Foundation
import ImageData
import Synchronization
import TensorCore
import Testing
import Training
import Transport

/// A worker's blocks, with images of its own and with fetched ones, against slots decoded in place and added by the tree.
@Suite struct WorkerRunTests {
    /// A dataset of eleven pictures: two steps of eight, the second one short.
    private struct World {
        let folder: ImageFolder
        let configuration: RunConfiguration
        let task: TokenizerTask
        let plan: TrainingPlan
        let weights: BulkBuffer

        init(_ root: String) throws {
            for image in try SmallModel.images(11) {
                let path = "\(root)/train/class/\(image.sample).JPEG"
                try FileManager.default.createDirectory(atPath: "\(root)/train/class", withIntermediateDirectories: true)
                try ImageFile.write(image.bytes, to: path)
            }
            folder = try ImageFolder(root: root)
            var configuration = SmallModel.configuration
            configuration.training.globalBatch = 8
            configuration.training.slots = 4
            self.configuration = configuration
            task = try TokenizerTask(configuration)
            plan = TrainingPlan(configuration: configuration, sampleCount: folder.count)
            weights = BulkBuffer(count: task.layout.count * 4)
            task.layout.initialWeights(seed: 4).withBytes { weights.bytes.copyMemory(from: $0) }
        }

        func welcome(_ configuration: RunConfiguration? = nil) throws -> Welcome {
            let configuration = configuration ?? self.configuration
            let task = try TokenizerTask(configuration)
            return Welcome(
                runID: RunID(high: 1, low: 2), generation: 1, configuration: configuration.yaml, datasetFingerprint: "",
                sampleCount: folder.count, bulkPort: 1, weightsBytes: task.layout.count * 4, gradientBytes: task.resultCount * 4,
                chunkBytes: 1 << 16, creditBytes: 1 << 18, heartbeatSeconds: 1, livenessSeconds: 10)
        }

        /// The digest of a block's sum.
        func digest(step: Int, block: SlotBlock) throws -> String {
            func sum(_ block: SlotBlock) throws -> Tensor {
                if let (left, right) = block.children {
                    let result = try sum(left)
                    result.accumulateInPlace(try sum(right), pool: ThreadPool(threads: 1))
                    return result
                }
                let images = try plan.samples(step: step, slot: block.slots.lowerBound).map {
                    (sample: $0, name: "x", bytes: try folder.bytes(of: $0))
                }
                let result = Tensor(uninitialised: [task.resultCount])
                try task.computeSlot(
                    weights: Tensor(sharing: weights.bytes, owner: weights, [task.layout.count]), images: images, step: step, slot: block.slots.lowerBound,
                    kept: plan.keptTokens(step: step), into: result, pool: ThreadPool(threads: 1))
                return result
            }
            return try sum(block).withBytes { SHA256.digest(of: $0) }
        }
    }

    /// A worker that has joined.
    private func worker(
        _ world: World, threads: Int, hasData: Bool, log: @escaping WorkerRun.Log = { _, _ in }
    ) throws -> WorkerRun {
        let worker = WorkerRun(source: hasData ? world.folder : nil, threads: threads, log: log)
        try worker.join(world.welcome())
        return worker
    }

    /// What the loop does before a block: asks for missing samples and hands them over.
    @discardableResult
    private func prepare(_ worker: WorkerRun, _ world: World, step: Int, block: SlotBlock) throws -> [Int] {
        let missing = try worker.missingSamples(step: step, block: block)
        for sample in missing { try worker.store(sample: sample, bytes: world.folder.bytes(of: sample)) }
        return missing
    }

    @Test(arguments: [1, 2], [true, false])
    func aBlockIsTheTreeSumOfItsSlots(threads: Int, hasData: Bool) throws {
        try withTemporaryFolder { root in
            let world = try World(root)
            let lines = Mutex<[String]>([])
            let worker = try worker(world, threads: threads, hasData: hasData) { text, _ in lines.withLock { $0.append(text) } }
            for (step, level, index) in [(0, 2, 0), (1, 2, 0), (1, 0, 1), (2, 1, 1), (2, 1, 1), (3, 0, 3)] {
                let block = SlotBlock(level: level, index: index)
                let missing = try prepare(worker, world, step: step, block: block)
                #expect(hasData ? missing.isEmpty : Set(missing).isSubset(of: world.plan.samples(step: step, block: block)))
                var slots = 0
                let gradient = try worker.compute(step: step, block: block, weights: world.weights) {
                    slots += 1
                    return true
                }
                #expect(slots == block.count)
                #expect(try #require(gradient).digest == world.digest(step: step, block: block), "step \(step), \(block)")
                let last = try #require(lines.withLock { $0.last })
                #expect(last.hasPrefix("step \(step): \(block) computed in ") && last.hasSuffix(" s for data"), "\(last)")
            }
        }
    }

    @Test(arguments: [true, false]) func aCancelledBlockLeavesNothingBehind(hasData: Bool) throws {
        try withTemporaryFolder { root in
            let world = try World(root)
            let worker = try worker(world, threads: 2, hasData: hasData)
            let (old, new) = (SlotBlock.all(slots: 4), SlotBlock(level: 1, index: 1))
            try prepare(worker, world, step: 0, block: old)
            var slots = 0
            // While the first slot is computed, the block is taken away and another one leased, as after a lost connection.
            let cancelled = try worker.compute(step: 0, block: old, weights: world.weights) {
                slots += 1
                return (try? prepare(worker, world, step: 1, block: new)) == nil
            }
            #expect(cancelled == nil && slots == 1)
            let gradient = try worker.compute(step: 1, block: new, weights: world.weights) { true }
            #expect(try #require(gradient).digest == world.digest(step: 1, block: new))
            // The same block again, abandoned before it began.
            try prepare(worker, world, step: 1, block: old)
            try prepare(worker, world, step: 1, block: old)
            let again = try worker.compute(step: 1, block: old, weights: world.weights) { true }
            #expect(try #require(again).digest == world.digest(step: 1, block: old))
        }
    }

    @Test(arguments: [1, 2], [true, false])
    func aBadImageEndsTheBlockAtItsSlot(threads: Int, hasData: Bool) throws {
        try withTemporaryFolder { root in
            let world = try World(root)
            let bad = world.plan.samples(step: 0, slot: 2)
            for sample in bad {
                let bytes = try world.folder.bytes(of: sample)
                try ImageFile.write(Array(bytes.dropLast(bytes.count / 2)), to: world.folder.path(of: sample))
            }
            let worker = try worker(world, threads: threads, hasData: hasData)
            let block = SlotBlock.all(slots: 4)
            try prepare(worker, world, step: 0, block: block)
            var slots = 0
            let file = hasData ? world.folder.path(of: bad[0]) : "sample \(bad[0]) of the coordinator's dataset"
            #expect(throws: ImageError.truncated(file: file)) {
                try worker.compute(step: 0, block: block, weights: world.weights) {
                    slots += 1
                    return true
                }
            }
            #expect(slots == 2, "the slots before it were computed")
        }
    }

    @Test func anotherRunHasOtherImages() throws {
        try withTemporaryFolder { root in
            let world = try World(root)
            let worker = try worker(world, threads: 2, hasData: true)
            let block = SlotBlock(level: 0, index: 0)
            try prepare(worker, world, step: 0, block: block)
            var other = world.configuration
            other.seed = 2
            try worker.join(world.welcome(other))
            let gradient = try worker.compute(step: 0, block: block, weights: world.weights) { true }
            #expect(try #require(gradient).digest != world.digest(step: 0, block: block), "other samples, other crops")
            try worker.join(world.welcome())
            let back = try worker.compute(step: 0, block: block, weights: world.weights) { true }
            #expect(try #require(back).digest == world.digest(step: 0, block: block))
        }
    }
}

extension BulkPayload {
    /// SHA-256 of the bytes.
    fileprivate var digest: String { withExtendedLifetime(owner) { SHA256.digest(of: bytes) } }
}

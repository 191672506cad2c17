import Fleet
import ImageData
import Synchronization
import Transport

/// The images of the blocks that a worker is given: which of them have to be fetched, and the others decoded ahead of the computation.
final class BlockImages: Sendable {
    /// The newest block, until it is computed.
    private struct Lease {
        let step: Int
        let block: SlotBlock
        /// Decoding already; nil while images are fetched.
        let feed: SlotFeed?
        let prepared = Instant.current
    }

    /// An image takes about a millisecond, so that few threads keep up with any number that compute.
    private static let mostThreads = 8

    private let store: SampleStore
    private let plan: TrainingPlan
    private let prefetch: SlotPrefetch
    private let lease = Mutex<Lease?>(nil)

    /// - Parameter threads: threads that compute; when they wait for images, as many decode.
    init(_ store: SampleStore, plan: TrainingPlan, transforms: [ImageTransform], threads: Int) {
        self.store = store
        self.plan = plan
        prefetch = SlotPrefetch(transforms, threads: min(threads, Self.mostThreads), encoded: { [store] in try store.encoded($0) })
    }

    /// Takes note of the next block, and begins to decode it unless images are missing. The block before is done with.
    /// - Returns: the samples that have to be fetched.
    func prepare(step: Int, block: SlotBlock) -> [Int] {
        let missing = store.missing(of: plan.samples(step: step, block: block))
        let feed = missing.isEmpty ? begin(step: step, block: block) : nil
        lease.withLock { $0 = Lease(step: step, block: block, feed: feed) }
        return missing
    }

    /// The images of a block's slots, in order, and how long it took to fetch them.
    func feed(step: Int, block: SlotBlock) -> (feed: SlotFeed, fetching: Duration) {
        let lease = lease.withLock { lease -> Lease? in
            guard let current = lease, current.step == step, current.block == block else { return nil }
            lease = nil
            return current
        }
        if let feed = lease?.feed { return (feed, .zero) }
        return (begin(step: step, block: block), lease?.prepared.duration(to: .current) ?? .zero)
    }

    private func begin(step: Int, block: SlotBlock) -> SlotFeed {
        prefetch.begin(step: step, slots: block.slots.map { plan.samples(step: step, slot: $0) })
    }
}

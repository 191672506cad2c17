import Foundation
import ImageData
import TensorCore

/// Decodes the images of slots in threads of its own, while whoever takes them is busy with the slot before.
///
/// ```swift
/// let feed = prefetch.begin(step: 3, slots: samples)   // the sample ids of each slot
/// while let images = try feed.next() { … }
/// ```
///
/// The images depend on step and sample ids alone, so no bit depends on when or by which thread they were decoded. A bad image is an error
/// when its slot is taken, not before. The threads end with this object.
package final class SlotPrefetch: Sendable {
    private let crew: Crew
    private let threads: [pthread_t]

    /// - Parameters:
    ///   - transforms: what becomes of a decoded image, view by view.
    ///   - threads: threads that decode; with none, nothing is decoded but by `decodeNext`.
    ///   - depth: how many slots that nobody has taken yet may be decoded or in work.
    ///   - encoded: gives a sample's bytes, called on any of the threads; nil for a sample that is no longer wanted.
    package init(
        _ transforms: [ImageTransform], threads: Int, depth: Int = 2, encoded: @escaping @Sendable (Int) throws -> EncodedSample?
    ) {
        precondition(threads >= 0 && depth >= 1, "a prefetch with \(threads) threads, \(depth) slots deep")
        let crew = Crew(transforms: transforms, depth: depth, encoded: encoded)
        self.crew = crew
        self.threads = (0..<threads).map { _ in
            var thread = pthread_t()
            let status = pthread_create(&thread, nil, { crew in
                guard let crew else { return nil }
                Unmanaged<Crew>.fromOpaque(crew).takeRetainedValue().work()
                return nil
            }, Unmanaged.passRetained(crew).toOpaque())
            precondition(status == 0, "cannot start a thread: error \(status)")
            return thread
        }
    }

    deinit {
        crew.stop()
        for thread in threads { pthread_join(thread, nil) }
    }

    /// Starts with the slots of a block; what was begun before is dropped.
    /// - Parameter slots: the sample ids of each slot, in the order in which the slots will be taken.
    package func begin(step: Int, slots: [[Int]]) -> SlotFeed {
        let feed = SlotFeed(crew: crew, step: step, slots: slots)
        crew.replaceFeed(by: feed)
        return feed
    }

    /// What the threads do over and over: decodes one image, if there is one to decode now.
    package func decodeNext() -> Bool {
        crew.condition.lock()
        defer { crew.condition.unlock() }
        return crew.decodeNext(with: SampleDecoder(crew.transforms))
    }
}

/// The images of a block's slots, in order. Taken by one thread.
// Sendable: everything that changes is guarded by the crew's condition.
package final class SlotFeed: @unchecked Sendable {
    /// A slot's images.
    package struct Views {
        package let samples: [Int]
        /// By transform, `[B, size, size, 3]`.
        package let images: [Tensor]
    }

    fileprivate let step: Int
    private let crew: Crew
    /// Those that were not taken yet.
    private var slots: [Slot]
    private var isDropped = false

    fileprivate init(crew: Crew, step: Int, slots: [[Int]]) {
        self.crew = crew
        self.step = step
        self.slots = slots.map(Slot.init)
    }

    /// The next slot: its images by view, `[B, size, size, 3]` each; waits until they are decoded.
    /// - Returns: nil when the block is no longer wanted, or when all slots were taken.
    /// - Throws: the error of the slot's first bad image.
    package func next() throws -> Views? {
        crew.condition.lock()
        defer { crew.condition.unlock() }
        guard let slot = slots.first else { return nil }
        while !isDropped && !slot.isDone { crew.condition.wait() }
        guard !isDropped else { return nil }
        slots.removeFirst()
        crew.condition.broadcast()
        return try slot.views(crew.transforms)
    }

    /// Forgets all slots: no more is decoded, `next` returns nil.
    package func drop() {
        crew.condition.lock()
        defer { crew.condition.unlock() }
        dropLocked()
    }

    fileprivate func dropLocked() {
        isDropped = true
        slots = []
        crew.condition.broadcast()
    }

    /// The next image to decode, if there is one that is not too far ahead. The lock is held.
    fileprivate func job(depth: Int, transforms: [ImageTransform]) -> Slot.Job? {
        for slot in slots.prefix(depth) {
            if let job = slot.job(transforms) { return job }
        }
        return nil
    }
}

/// The images of one slot on their way. Guarded by the crew's condition.
private final class Slot {
    enum Outcome {
        case decoded
        case unwanted
        case failed(any Error)
    }

    /// One image to decode, and where the floats of its views belong.
    struct Job {
        let slot: Slot
        let position: Int
        let sample: Int
        let targets: [Tensor]
    }

    private let samples: [Int]
    private var begun = 0
    private var outcomes: [Outcome?]
    private var unfinished: Int
    /// By view `[B, size, size, 3]`, from the first job on.
    private var batches: [Tensor]?

    init(_ samples: [Int]) {
        self.samples = samples
        outcomes = Array(repeating: nil, count: samples.count)
        unfinished = samples.count
    }

    var isDone: Bool { unfinished == 0 }

    func job(_ transforms: [ImageTransform]) -> Job? {
        guard begun < samples.count else { return nil }
        let batches = batches ?? empty(transforms)
        self.batches = batches
        defer { begun += 1 }
        let targets = zip(transforms, batches).map { $1.slice(from: begun * $0.elementCount, [$0.elementCount]) }
        return Job(slot: self, position: begun, sample: samples[begun], targets: targets)
    }

    private func empty(_ transforms: [ImageTransform]) -> [Tensor] {
        transforms.map { Tensor(uninitialised: [samples.count, $0.size, $0.size, 3]) }
    }

    func finish(_ job: Job, _ outcome: Outcome) {
        outcomes[job.position] = outcome
        unfinished -= 1
    }

    /// What came of it: decided by the first image that is not well, whichever was met first.
    func views(_ transforms: [ImageTransform]) throws -> SlotFeed.Views? {
        for case let outcome? in outcomes {
            switch outcome {
            case .decoded: continue
            case .unwanted: return nil
            case .failed(let error): throw error
            }
        }
        return SlotFeed.Views(samples: samples, images: batches ?? empty(transforms))
    }
}

/// What the threads share.
// Sendable: `feed` and `isStopping` are guarded by `condition`, the rest never changes.
private final class Crew: @unchecked Sendable {
    let condition = NSCondition()
    let transforms: [ImageTransform]
    private let depth: Int
    private let encoded: @Sendable (Int) throws -> EncodedSample?
    private var feed: SlotFeed?
    private var isStopping = false

    init(transforms: [ImageTransform], depth: Int, encoded: @escaping @Sendable (Int) throws -> EncodedSample?) {
        self.transforms = transforms
        self.depth = depth
        self.encoded = encoded
    }

    func replaceFeed(by feed: SlotFeed?) {
        condition.lock()
        defer { condition.unlock() }
        self.feed?.dropLocked()
        self.feed = feed
        condition.broadcast()
    }

    func stop() {
        replaceFeed(by: nil)
        condition.lock()
        isStopping = true
        condition.broadcast()
        condition.unlock()
    }

    /// A thread's life.
    func work() {
        let decoder = SampleDecoder(transforms)
        condition.lock()
        while !isStopping {
            if !decodeNext(with: decoder) { condition.wait() }
        }
        condition.unlock()
    }

    /// Decodes one image, if there is one to decode. The lock is held, but not while decoding.
    func decodeNext(with decoder: SampleDecoder) -> Bool {
        guard let feed, let job = feed.job(depth: depth, transforms: transforms) else { return false }
        condition.unlock()
        let outcome = decode(job, step: feed.step, with: decoder)
        condition.lock()
        job.slot.finish(job, outcome)
        if job.slot.isDone { condition.broadcast() }
        return true
    }

    private func decode(_ job: Slot.Job, step: Int, with decoder: SampleDecoder) -> Slot.Outcome {
        do {
            guard let (name, bytes) = try encoded(job.sample) else { return .unwanted }
            try decoder(
                bytes, file: name, step: step, sample: job.sample,
                into: job.targets.map { UnsafeMutableBufferPointer(start: $0.pointer, count: $0.count) })
            return .decoded
        } catch {
            return .failed(error)
        }
    }
}

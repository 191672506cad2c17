import Foundation
import ImageData
import Synchronization
import TensorCore
import Testing
import Training

/// Decoding ahead gives what decoding in place gives: images, errors, and nothing that is not wanted.
@Suite struct SlotPrefetchTests {
    private static let transform = ImageTransform(size: 24, purpose: .training, seed: 3)

    /// Twelve pictures of several sizes.
    private static let pictures: [[UInt8]] = (0..<12).map { number in
        let (width, height) = (24 + number * 5, 60 - number * 3)
        let pixels = (0..<width * height * 3).map { UInt8(truncatingIfNeeded: $0 &* (number + 3) >> 3) }
        return JPEG.encode(RGBImage(width: width, height: height, pixels: pixels), quality: 85)
    }

    private static func picture(_ sample: Int) -> EncodedSample { ("picture \(sample)", pictures[sample]) }

    /// A slot's floats by the definition: each image decoded and transformed on its own.
    private static func expected(_ samples: [Int], step: Int) throws -> [UInt32] {
        try samples.flatMap { sample -> [UInt32] in
            var floats = [Float](repeating: .nan, count: transform.elementCount)
            let image = try JPEG.decode(pictures[sample], file: "x")
            floats.withUnsafeMutableBufferPointer { transform(image, step: step, sample: sample, into: $0) }
            return floats.map(\.bitPattern)
        }
    }

    @Test(arguments: [(1, 1), (1, 2), (2, 1), (2, 2), (3, 5)])
    func theImagesAreThoseOfPlainDecoding(threads: Int, depth: Int) throws {
        let prefetch = SlotPrefetch([Self.transform], threads: threads, depth: depth) { Self.picture($0) }
        for (step, slots) in [[[3, 1, 4], [0], [], [5, 9, 2, 6], [7, 8, 10, 11]], [[], []], [[11, 0], [1, 0, 1]]].enumerated() {
            let feed = prefetch.begin(step: step, slots: slots)
            for samples in slots {
                let images = try #require(try feed.next()).images[0]
                #expect(images.shape == [samples.count, 24, 24, 3])
                #expect(try bits(images) == Self.expected(samples, step: step), "step \(step), samples \(samples)")
            }
            #expect(try feed.next() == nil, "all slots are taken")
        }
    }

    /// Every view of a slot, from one decoding.
    @Test func severalViewsComeTogether() throws {
        let transforms = [Self.transform, ImageTransform(size: 10, purpose: .training, view: .student, seed: 3)]
        let prefetch = SlotPrefetch(transforms, threads: 2) { Self.picture($0) }
        let views = try #require(try prefetch.begin(step: 4, slots: [[2, 7, 1]]).next())
        #expect(views.samples == [2, 7, 1] && views.images.map(\.shape) == [[3, 24, 24, 3], [3, 10, 10, 3]])
        #expect(try bits(views.images[0]) == Self.expected([2, 7, 1], step: 4))
        let single = SlotPrefetch([transforms[1]], threads: 1) { Self.picture($0) }
        let alone = try #require(try single.begin(step: 4, slots: [[2, 7, 1]]).next())
        #expect(bits(views.images[1]) == bits(alone.images[0]))
    }

    /// Of several bad images the first in order is named, and only when its slot is taken, though others were met before.
    @Test(arguments: [1, 2, 4]) func aBadImageIsAnErrorWhenItsSlotIsTaken(threads: Int) throws {
        let lastWasRead = DispatchSemaphore(value: 0)
        let prefetch = SlotPrefetch([Self.transform], threads: threads, depth: 3) { sample in
            switch sample {
            case 5:
                // With more than one thread, the images after it come first.
                if threads > 1 { lastWasRead.wait() }
                return ("five", Array(Self.pictures[5].dropLast(Self.pictures[5].count / 2)))
            case 6: throw ImageError.unreadable(file: "six", reason: "gone")
            case 7:
                lastWasRead.signal()
                return ("seven", Array("no image".utf8))
            default: return Self.picture(sample)
            }
        }
        let feed = prefetch.begin(step: 0, slots: [[0, 1], [2], [4, 5, 6, 7], [8]])
        #expect(try bits(#require(try feed.next()).images[0]) == Self.expected([0, 1], step: 0))
        #expect(try bits(#require(try feed.next()).images[0]) == Self.expected([2], step: 0))
        #expect(throws: ImageError.truncated(file: "five")) { try feed.next() }
        #expect(try bits(#require(try feed.next()).images[0]) == Self.expected([8], step: 0), "a bad slot does not spoil the next")
    }

    @Test func aSampleThatIsNoLongerHeldEndsTheBlock() throws {
        let prefetch = SlotPrefetch([Self.transform], threads: 2) { $0 == 3 ? nil : Self.picture($0) }
        let feed = prefetch.begin(step: 0, slots: [[0], [3, 4]])
        #expect(try feed.next() != nil)
        #expect(try feed.next() == nil)
    }

    /// Without threads, so that the test decides when something is decoded.
    @Test(arguments: [1, 2, 3]) func noMoreThanSoManySlotsAreDecodedAhead(depth: Int) throws {
        let slots = [[0, 1], [2, 3], [], [4], [5, 6, 7], [8]]
        let read = Mutex<[Int]>([])
        let prefetch = SlotPrefetch([Self.transform], threads: 0, depth: depth) { sample in
            read.withLock { $0.append(sample) }
            return Self.picture(sample)
        }
        let feed = prefetch.begin(step: 0, slots: slots)
        for (number, samples) in slots.enumerated() {
            while prefetch.decodeNext() {}
            #expect(read.withLock { $0 } == slots.prefix(number + depth).flatMap { $0 })
            #expect(try bits(#require(try feed.next()).images[0]) == Self.expected(samples, step: 0))
        }
        #expect(!prefetch.decodeNext())
    }

    /// Threads go ahead by themselves: every image is read before the first slot is taken.
    @Test func theThreadsDoNotWaitToBeAsked() throws {
        let read = (0..<6).map { _ in DispatchSemaphore(value: 0) }
        let prefetch = SlotPrefetch([Self.transform], threads: 2, depth: 3) { sample in
            read[sample].signal()
            return Self.picture(sample)
        }
        let feed = prefetch.begin(step: 0, slots: [[0, 1], [2, 3], [4, 5]])
        for sample in 0..<6 { read[sample].wait() }
        #expect(try bits(#require(try feed.next()).images[0]) == Self.expected([0, 1], step: 0))
    }

    @Test func aNewBlockDropsTheOneBefore() throws {
        let (firstIsRead, go) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let read = Mutex<[Int]>([])
        let prefetch = SlotPrefetch([Self.transform], threads: 1) { sample in
            read.withLock { $0.append(sample) }
            if sample == 0 {
                firstIsRead.signal()
                go.wait()
            }
            return Self.picture(sample)
        }
        let old = prefetch.begin(step: 0, slots: [[0, 1], [2, 3], [4]])
        firstIsRead.wait()
        let new = prefetch.begin(step: 1, slots: [[5, 6], [7]])
        #expect(try old.next() == nil, "at once, though its image is still in work")
        go.signal()
        #expect(try bits(#require(try new.next()).images[0]) == Self.expected([5, 6], step: 1))
        #expect(try bits(#require(try new.next()).images[0]) == Self.expected([7], step: 1))
        #expect(read.withLock { $0 } == [0, 5, 6, 7], "nothing else of the old block was read")
    }

    @Test func aDroppedBlockWakesWhoeverWaitsForIt() throws {
        let go = DispatchSemaphore(value: 0)
        let isRead = DispatchSemaphore(value: 0)
        let prefetch = SlotPrefetch([Self.transform], threads: 1) { sample in
            isRead.signal()
            go.wait()
            return Self.picture(sample)
        }
        let feed = prefetch.begin(step: 0, slots: [[0], [1]])
        let waited = DispatchSemaphore(value: 0)
        let result = Mutex<Bool?>(nil)
        let waiter = Thread {
            let images = try? feed.next()
            result.withLock { $0 = images == nil }
            waited.signal()
        }
        waiter.start()
        isRead.wait()
        feed.drop()
        waited.wait()
        #expect(result.withLock { $0 } == true)
        go.signal()
        // The thread is free again.
        let next = prefetch.begin(step: 0, slots: [[2]])
        go.signal()
        #expect(try bits(#require(try next.next()).images[0]) == Self.expected([2], step: 0))
    }

    /// The threads hold what they read from; when it is gone, so are they.
    @Test(arguments: [0, 1, 3]) func noThreadOutlivesThePrefetch(taken: Int) throws {
        final class Source: Sendable {
            func picture(_ sample: Int) -> EncodedSample { SlotPrefetchTests.picture(sample) }
        }
        func use() throws -> () -> Source? {
            let source = Source()
            let prefetch = SlotPrefetch([Self.transform], threads: 3) { [source] in source.picture($0) }
            let feed = prefetch.begin(step: 0, slots: (0..<12).map { [$0] })
            for _ in 0..<taken { _ = try feed.next() }
            return { [weak source] in source }
        }
        let source = try use()
        #expect(source() == nil)
    }
}

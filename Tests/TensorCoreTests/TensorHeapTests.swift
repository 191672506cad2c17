import Synchronization
import TensorCore
import Testing

/// The memory that tensors and scratch arrays live in.
@Suite struct TensorHeapTests {
    private let random = Philox(seed: 5, domain: "heap")

    /// Against a map of single bytes.
    @Test func holesAreTheSmallestThatFitAndJoin() {
        var ranges = FreeRanges()
        var isFree = [Bool](repeating: false, count: 400)
        var taken: [Range<Int>] = [0..<400]
        func holes() -> [Range<Int>] {
            var holes: [Range<Int>] = []
            for i in isFree.indices where isFree[i] {
                if let last = holes.last, last.upperBound == i { holes[holes.count - 1] = last.lowerBound..<(i + 1) } else { holes.append(i..<(i + 1)) }
            }
            return holes
        }
        for draw in 0..<3000 {
            if random.integer(below: 2, sample: 0, draw: draw) == 0, !taken.isEmpty {
                // A piece of something taken goes back.
                let block = taken.remove(at: random.integer(below: taken.count, sample: 1, draw: draw))
                let cut = block.lowerBound + random.integer(below: block.count, sample: 2, draw: draw) + 1
                ranges.insert(block.lowerBound..<cut)
                for i in block.lowerBound..<cut { isFree[i] = true }
                if cut < block.upperBound { taken.append(cut..<block.upperBound) }
            } else {
                let size = random.integer(below: 30, sample: 3, draw: draw) + 1
                let expected = holes().filter { $0.count >= size }.min { ($0.count, $0.lowerBound) < ($1.count, $1.lowerBound) }
                let start = ranges.take(size)
                #expect(start == expected?.lowerBound)
                if let start {
                    for i in start..<(start + size) { isFree[i] = false }
                    taken.append(start..<(start + size))
                }
            }
            #expect(ranges.ranges == holes())
        }
    }

    /// Blocks that are in use do not overlap, and a heap that is empty again hands out the same addresses again and needs no more memory,
    /// whatever was in it in between.
    @Test func anEmptyZoneStartsAnew() {
        var zone = HeapZone(reserve: 1 << 30)
        func fill(_ key: Int) -> [Range<Int>] {
            var blocks: [Range<Int>] = []
            for draw in 0..<200 {
                if random.integer(below: 3, sample: key, draw: draw) == 0, !blocks.isEmpty {
                    let block = blocks.remove(at: random.integer(below: blocks.count, sample: key + 1, draw: draw))
                    zone.give(block.lowerBound, block.count)
                } else {
                    let size = (random.integer(below: 3000, sample: key + 2, draw: draw) + 1) * 128
                    let start = zone.take(size)
                    #expect(blocks.allSatisfy { !$0.overlaps(start..<(start + size)) })
                    blocks.append(start..<(start + size))
                }
            }
            #expect(zone.statistics.liveBytes == blocks.reduce(0) { $0 + $1.count })
            return blocks
        }
        func empty(_ blocks: [Range<Int>]) { for block in blocks { zone.give(block.lowerBound, block.count) } }
        let first = fill(10)
        empty(first)
        for key in [20, 30] { empty(fill(key)) }
        let before = zone.statistics
        #expect(before.liveBytes == 0 && before.heldBytes >= before.peakLiveBytes)
        #expect(fill(10) == first)
        #expect(zone.statistics.systemAllocations == before.systemAllocations && zone.statistics.heldBytes == before.heldBytes)
    }

    /// Caches by size would keep blocks of every size that came by.
    @Test func aZoneHoldsNoMoreThanTheLargestRoundOfMany() {
        var zone = HeapZone(reserve: 1 << 32)
        for kept in (100...400).reversed() {
            let blocks = (1...8).map { layer in (address: zone.take(kept * layer * 1024), bytes: kept * layer * 1024) }
            for block in blocks.reversed() { zone.give(block.address, block.bytes) }
        }
        #expect(zone.statistics.heldBytes < 400 * 36 * 1024 + 1 << 21 && zone.statistics.peakLiveBytes == 400 * 36 * 1024)
    }

    @Test func anImpossibleTensorEndsInOneLine() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor(uninitialised: [1 << 20, 1 << 20])
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.contains("out of memory"), "\(text)")
    }

    @Test(arguments: [0, 1, 31, 1000, 20_000, 300_000])
    func blocksAreAlignedAndLargeEnough(_ count: Int) {
        let tensors = (0..<5).map { _ in Tensor(filledWith: 3, [count]) }
        for tensor in tensors { #expect(Int(bitPattern: tensor.pointer) % 128 == 0 && tensor.elements == [Float](repeating: 3, count: count)) }
        #expect(Set(tensors.map(\.pointer)).count == 5)
    }

    /// Tensors and scratch arrays of several threads keep their elements to themselves.
    @Test func threadsDoNotShareBlocks() {
        let pool = ThreadPool(threads: 4)
        let wrong = Atomic<Int>(0)
        pool.parallel(400) { tile in
            let size = random.integer(below: 40_000, sample: 0, draw: tile) + 10
            let tensor = Tensor(filledWith: Float(tile), [size])
            Storage.withScratch(size) { outer in
                outer.update(repeating: Float(-tile), count: size)
                Storage.withScratch(size / 2) { inner in
                    inner.update(repeating: 0.5, count: size / 2)
                    let isRight =
                        tensor.elements.allSatisfy { $0 == Float(tile) } && (0..<size).allSatisfy { outer[$0] == Float(-tile) }
                        && (0..<(size / 2)).allSatisfy { inner[$0] == 0.5 }
                    if !isRight { wrong.add(1, ordering: .relaxed) }
                }
            }
        }
        #expect(wrong.load(ordering: .relaxed) == 0)
    }

    /// Scratch too large for a stack, on top of scratch that is not.
    @Test func largeScratchComesFromTheHeap() {
        Storage.withScratch(1000) { small in
            small.update(repeating: 1, count: 1000)
            let before = TensorMemory.current.peakLiveBytes
            Storage.withScratch(64 << 20) { large in
                large[0] = 2
                large[64 << 20 - 1] = 2
            }
            #expect(TensorMemory.current.peakLiveBytes >= max(before, 256 << 20))
            #expect((0..<1000).allSatisfy { small[$0] == 1 })
        }
    }

    /// A pool's stacks are there before its first tile, and pools that follow each other use the same ones. In a process of its own, where
    /// nothing else takes memory.
    @Test func poolsTakeOverEachOthersStacks() async {
        await #expect(processExitsWith: .success) {
            func use(_ pool: ThreadPool) {
                pool.parallel(100) { tile in Storage.withScratch(1000) { $0[0] = Float(tile) } }
            }
            use(ThreadPool(threads: 4))
            let before = TensorMemory.current.systemAllocations
            #expect(before >= 4, "\(before) allocations for 4 stacks")
            for _ in 0..<20 { use(ThreadPool(threads: 4)) }
            #expect(TensorMemory.current.systemAllocations == before, "a pool of as many threads needs no new stacks")
            let pool = ThreadPool(threads: 6)
            let reserved = TensorMemory.current.systemAllocations
            #expect(reserved == before + 2, "\(reserved) instead of \(before) + 2")
            for _ in 0..<20 { use(pool) }
            #expect(TensorMemory.current.systemAllocations == reserved, "the stacks were there before the first tile")
        }
    }
}

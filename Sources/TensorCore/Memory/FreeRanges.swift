/// The holes between the blocks of a heap, by address; neighbouring holes are one.
///
/// Which hole a block gets depends on the holes alone: the smallest that is large enough, of equal ones the first. So a heap that has returned
/// to an earlier state hands out the same addresses again, whatever happened in between.
package struct FreeRanges: Equatable {
    /// Ascending, none empty, none touching the next.
    package private(set) var ranges: [Range<Int>] = []

    package init() {}

    /// Cuts `size` bytes from the start of the best hole; nil if none is large enough.
    package mutating func take(_ size: Int) -> Int? {
        var best: Int?
        var bestSize = Int.max
        for index in ranges.indices where ranges[index].count >= size && ranges[index].count < bestSize {
            (best, bestSize) = (index, ranges[index].count)
            if bestSize == size { break }
        }
        guard let best else { return nil }
        let start = ranges[best].lowerBound
        if bestSize == size {
            ranges.remove(at: best)
        } else {
            ranges[best] = (start + size)..<ranges[best].upperBound
        }
        return start
    }

    /// Adds a hole, joined with those it touches.
    package mutating func insert(_ hole: Range<Int>) {
        // The first range behind the hole.
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].lowerBound < hole.lowerBound { low = middle + 1 } else { high = middle }
        }
        precondition(
            (low == 0 || ranges[low - 1].upperBound <= hole.lowerBound) && (low == ranges.count || hole.upperBound <= ranges[low].lowerBound),
            "bytes \(hole) are given back twice")
        let joinsBefore = low > 0 && ranges[low - 1].upperBound == hole.lowerBound
        let joinsAfter = low < ranges.count && ranges[low].lowerBound == hole.upperBound
        switch (joinsBefore, joinsAfter) {
        case (true, true):
            ranges[low - 1] = ranges[low - 1].lowerBound..<ranges[low].upperBound
            ranges.remove(at: low)
        case (true, false): ranges[low - 1] = ranges[low - 1].lowerBound..<hole.upperBound
        case (false, true): ranges[low] = hole.lowerBound..<ranges[low].upperBound
        case (false, false): ranges.insert(hole, at: low)
        }
    }

    /// Removes the hole that ends at `end`, if there is one, and returns where it starts.
    package mutating func removeLast(endingAt end: Int) -> Int? {
        guard let last = ranges.last, last.upperBound == end else { return nil }
        ranges.removeLast()
        return last.lowerBound
    }
}

/// An even cut of `0 ..< count` into ranges. It depends on the numbers given and nothing else, so neither do sums over the ranges.
package struct Partition: Sendable {
    package let count: Int
    /// How many ranges; none of an empty count.
    package let parts: Int

    /// Cuts into `parts` ranges that start at multiples of 8 (for whole vectors); some are empty if there are too many.
    package init(_ count: Int, parts: Int) {
        self.count = count
        self.parts = count == 0 ? 0 : max(1, parts)
    }

    /// Cuts into ranges of about `length`, none of them a small remainder: 1025 about 256 is 256, 256, 256, 257.
    package init(_ count: Int, about length: Int) {
        self.init(count, parts: (count + length / 2) / length)
    }

    private func start(_ part: Int) -> Int { part == parts ? count : count * part / parts & ~7 }

    package subscript(part: Int) -> Range<Int> { start(part)..<start(part + 1) }

    /// The length of the longest range.
    package var longest: Int { (0..<parts).reduce(0) { max($0, self[$1].count) } }
}

/// The extents of a tensor, rank 0 to 4, kept inline: making one costs no allocation.
public struct Shape: Sendable, Equatable, ExpressibleByArrayLiteral, CustomStringConvertible {
    private var extents: InlineArray<4, Int>
    public let rank: Int

    public init(_ extents: [Int]) {
        precondition(extents.count <= 4, "a shape has at most 4 extents, not \(extents)")
        precondition(extents.allSatisfy { $0 >= 0 }, "negative extent in shape \(extents)")
        self.extents = InlineArray { $0 < extents.count ? extents[$0] : 1 }
        rank = extents.count
    }

    public init(arrayLiteral extents: Int...) { self.init(extents) }

    /// The extent of an axis; negative axes count from the end.
    public subscript(axis: Int) -> Int {
        let index = axis < 0 ? rank + axis : axis
        precondition(index >= 0 && index < rank, "axis \(axis) outside shape \(self)")
        return extents[index]
    }

    /// The number of elements.
    public var count: Int { extents[0] * extents[1] * extents[2] * extents[3] }
    /// The extents as an array.
    public var array: [Int] { (0..<rank).map { extents[$0] } }
    public var description: String { "[" + array.map(String.init).joined(separator: ", ") + "]" }

    public static func == (a: Shape, b: Shape) -> Bool {
        a.rank == b.rank && (0..<4).allSatisfy { a.extents[$0] == b.extents[$0] }
    }
}

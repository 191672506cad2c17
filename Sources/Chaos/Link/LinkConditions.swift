/// How bad a link is. A perfect one by default.
package struct LinkConditions: Sendable, Equatable {
    /// Seconds that every piece takes, drawn between the two; the order stays.
    package var delay: ClosedRange<Double> = 0...0
    /// Of each direction of each connection; nil for no limit.
    package var bytesPerSecond: Double?
    /// The share of pieces that take `stallSeconds` longer.
    package var stallShare = 0.0
    package var stallSeconds = 1.0
    /// On the bulk connections one bit in so many bytes is flipped; nil for none. Control messages have no checksum but TCP's.
    package var corruptedBytes: Double?

    package init() {}
}

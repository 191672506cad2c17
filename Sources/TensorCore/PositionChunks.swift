/// Positions of channels-last values, cut into chunks that stay in the cache. The cut depends on the shape alone, so neither do sums over the chunks
/// depend on anything else.
struct PositionChunks {
    let positions: Int
    private let length: Int
    /// How many chunks; one, empty, of no positions.
    let count: Int

    init(_ positions: Int, channels: Int) {
        self.positions = positions
        length = max(64, 65_536 / max(channels, 1) / 64 * 64)
        count = max(1, (positions + length - 1) / length)
    }

    subscript(chunk: Int) -> Range<Int> { (chunk * length)..<min(positions, (chunk + 1) * length) }
}

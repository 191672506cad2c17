/// Which entry of the caches each token of an image takes while it is generated in raster order, so that the live entries are always the first
/// ones: a token takes the place of the duplicate that leaves the window as it enters, or a new place. Nothing is ever moved.
struct CacheEntries {
    private(set) var layout: MergedCacheLayout
    /// The entry of the token in each slot of the ring.
    private var ring: [Int]

    /// - Parameter window: W; with that of all tokens nothing ever leaves.
    init(prefix: Int, window: Int) {
        layout = MergedCacheLayout(prefix: prefix, window: window)
        ring = [Int](repeating: 0, count: window)
    }

    /// Entries in use, all of which the last token's query sees.
    var live: Int { layout.contextSize }

    /// The entry of the next token, whose code this is.
    mutating func enter(_ code: Int32) -> Int {
        let entrance = layout.enter(code)
        if let leaving = entrance.leaving, leaving.store == nil { return ring[entrance.slot] }
        ring[entrance.slot] = live - 1
        return live - 1
    }
}

/// What the compressed cache of one image holds while MergeAR generates (stage2 2.5), without the tensors: per image one of these, per layer a store.
///
/// A cache is the prefix, a store of first occurrences, which never leave, and a ring of the last W tokens. When a token enters, the one that
/// falls out of the ring moves to the store if it was a first occurrence and is dropped otherwise. Keys are stored rotated by their own cell, so
/// that nothing moves when one is dropped.
///
/// ```swift
/// let entrance = layout.enter(code)
/// if let store = entrance.leaving?.store { copy(ring: entrance.slot, to: store) }   // before the slot is written
/// write(ring: entrance.slot)
/// attend(layout.contextSize)
/// ```
public struct MergedCacheLayout: Sendable, Equatable {
    /// What happens when a token enters.
    public struct Entrance: Sendable, Equatable {
        /// The token, by raster position.
        public let token: Int
        /// The first token with its code; itself where there is none before.
        public let first: Int
        /// The ring's slot that its key and value are written to. The one that leaves lies there until then.
        public let slot: Int
        /// The token that leaves the ring, if the ring was full.
        public let leaving: Departure?

        public var isFirst: Bool { first == token }
    }

    /// A token leaves the ring.
    public struct Departure: Sendable, Equatable {
        public let token: Int
        /// Its place in the store of first occurrences; nil when it is a duplicate and is dropped.
        public let store: Int?
    }

    /// Where a token is.
    public enum Place: Sendable, Equatable {
        /// In the store, at an index.
        case store(Int)
        /// In the ring, at a slot.
        case ring(Int)
        /// Dropped.
        case evicted
    }

    /// Entries of the prefix.
    public let prefix: Int
    /// Slots of the ring, W.
    public let window: Int
    /// The position cache: for each token so far, the first one with its code.
    public private(set) var first: [Int] = []
    /// The tokens in the store, in its order, which is ascending.
    public private(set) var stored: [Int] = []
    /// The most entries that were ever held, the prefix included.
    public private(set) var peakEntries: Int
    private var seen: [Int32: Int] = [:]

    /// - Parameters:
    ///   - prefix: at least 1.
    ///   - window: at least 1.
    public init(prefix: Int = 2, window: Int = 2) {
        precondition(prefix >= 1 && window >= 1, "a prefix of \(prefix) and a window of \(window)")
        self.prefix = prefix
        self.window = window
        peakEntries = prefix
    }

    /// Tokens that have entered.
    public var count: Int { first.count }
    /// Different codes among them.
    public var distinct: Int { seen.count }
    /// The tokens in the ring, ascending.
    public var ring: Range<Int> { max(count - window, 0)..<count }
    /// The entries that the last token's query attends to, the prefix included: all that the cache holds.
    public var contextSize: Int { prefix + stored.count + ring.count }

    /// The token flags of the position cache: whether an equal token came before.
    public func isRedundant(_ token: Int) -> Bool { first[token] != token }

    /// Where a token that has entered is now.
    public func place(of token: Int) -> Place {
        precondition(token >= 0 && token < count, "token \(token) of \(count)")
        if ring.contains(token) { return .ring(token % window) }
        return isRedundant(token) ? .evicted : .store(storeIndex(of: token))
    }

    /// The next token enters with its code, after the one at the far end of the ring has left.
    public mutating func enter(_ code: Int32) -> Entrance {
        let token = count
        let earliest = seen[code] ?? token
        if earliest == token { seen[code] = token }
        var leaving: Departure?
        if token >= window {
            let old = token - window
            if isRedundant(old) {
                leaving = Departure(token: old, store: nil)
            } else {
                leaving = Departure(token: old, store: stored.count)
                stored.append(old)
            }
        }
        first.append(earliest)
        peakEntries = max(peakEntries, contextSize)
        return Entrance(token: token, first: earliest, slot: token % window, leaving: leaving)
    }

    /// The store is ascending.
    private func storeIndex(of token: Int) -> Int {
        var (low, high) = (0, stored.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if stored[middle] < token { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

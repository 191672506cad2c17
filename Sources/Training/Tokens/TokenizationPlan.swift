import Generators
import MergeVQ
import TensorCore

/// Which records a file of tokens has: image after image, view after view, K after K. A pure function of what it is made from.
///
/// An image seen one way is a *sighting*: its records are computed together, because the encoder's convolutions do not depend on K.
public struct TokenizationPlan: Sendable, Equatable {
    /// How many tokens are kept.
    public enum Kept: Sendable, Equatable {
        /// So many of every sighting, one record each.
        case each([Int])
        /// A number drawn for every sighting by its place and the seed (stage2 2.4): most often the tokenizer's target, up to its largest.
        case sampled
    }

    public let images: Int
    public let views: Int
    /// The numbers that occur, or may be drawn, ascending.
    public let keptCounts: [Int]
    public let seed: UInt64
    /// Nil if every sighting gets all of `keptCounts`.
    private let drawn: TrainedTokenCounts?

    /// - Parameters:
    ///   - tokenizer: the configuration that the tokenizer was trained with.
    ///   - images: of the dataset, at least 1.
    ///   - views: 1 for the centre crop, 2 for its mirror image too.
    /// - Throws: `ConfigurationError` for a K that the tokenizer cannot keep, and if K is to be drawn of numbers that are no squares.
    public init(_ tokenizer: RunConfiguration, kept: Kept, images: Int, views: Int, seed: UInt64) throws {
        precondition(images >= 1 && (1...2).contains(views), "\(views) views of \(images) images")
        (self.images, self.views, self.seed) = (images, views, seed)
        switch kept {
        case .each(let counts):
            precondition(!counts.isEmpty, "no number of kept tokens")
            drawn = nil
            keptCounts = Set(counts).sorted()
        case .sampled:
            let distribution = tokenizer.tokenizer.keptTokens
            let (target, largest) = (tokenizer.merging.keptTokens, distribution.candidates.last ?? tokenizer.merging.keptTokens)
            do {
                let trained = try TrainedTokenCounts(smallest: target, largest: max(target, largest))
                (drawn, keptCounts) = (trained, trained.counts)
            } catch {
                throw ConfigurationError("sampled kept tokens", "\(error); name the numbers instead")
            }
        }
        try tokenizer.requireKeepable(keptCounts)
    }

    public var isKeptSampled: Bool { drawn != nil }
    /// Images seen one way.
    public var sightings: Int { images * views }
    public var recordsPerSighting: Int { isKeptSampled ? 1 : keptCounts.count }
    public var records: Int { sightings * recordsPerSighting }
    public var mostKept: Int { keptCounts[keptCounts.count - 1] }

    /// The image of a sighting, its position in the dataset's order.
    public func image(of sighting: Int) -> Int { sighting / views }
    /// How a sighting shows its image: 0 the centre crop, 1 its mirror image.
    public func view(of sighting: Int) -> Int { sighting % views }
    /// The numbers of kept tokens of a sighting's records, ascending.
    public func kept(of sighting: Int) -> [Int] {
        drawn.map { [$0.count(seed: seed, step: 0, sample: sighting)] } ?? keptCounts
    }

    /// The records of some sightings.
    func records(of sightings: Range<Int>) -> Range<Int> {
        sightings.lowerBound * recordsPerSighting..<sightings.upperBound * recordsPerSighting
    }
}

extension RunConfiguration {
    /// Refuses numbers of kept tokens that this tokenizer cannot keep. Throws `ConfigurationError`.
    func requireKeepable(_ counts: [Int]) throws {
        let full = tokenizer.fullTokens
        let least = merging.schedule.leastKept(length: full, layers: model.attentionBlocks)
        for kept in counts where !(least...full).contains(kept) {
            throw ConfigurationError(
                "\(kept) kept tokens", "an image of this model has \(full) tokens and can be merged down to \(least); keep \(least) to \(full)")
        }
    }
}

/// Which images to make, and how.
///
/// An image is a function of the weights, the seed, its number, its class and these settings: not of the other images, the batch it is made in, or
/// the number of threads.
public struct GenerationRequest: Sendable {
    /// In which order an image's codes are made, and what of them is kept in the cache.
    public enum Order: Sendable, Hashable {
        /// LlamaGen: cell by cell; every code stays in the cache (stage2 1).
        case raster
        /// MergeAR: cell by cell, told how many different codes to make; a duplicate leaves the cache when it leaves the window (stage2 2.5).
        /// - Parameters:
        ///   - keptTokens: K, at most the cells of an image.
        ///   - mergeID: what the model knows K by: `TrainedTokenCounts.mergeID(of:)`.
        ///   - window: W; with that of all cells nothing leaves the cache.
        case merged(keptTokens: Int, mergeID: Double, window: Int = 2)
        /// RandAR: the K slots of a √K × √K grid in an order drawn for the image, several at a time (stage2 3.3).
        /// - Parameters:
        ///   - keptTokens: K, a square of at most the cells of an image.
        ///   - steps: T, calls of the model.
        case random(keptTokens: Int, steps: Int, schedule: ParallelSchedule = .randar)
    }

    /// How one part of every code is drawn.
    public struct Part: Sendable, Hashable {
        public var sampler: TokenSampler
        public var guidance: GuidanceSchedule

        public init(_ sampler: TokenSampler, guidance: GuidanceSchedule = .constant(1)) {
            self.sampler = sampler
            self.guidance = guidance
        }
    }

    /// One an image.
    public var classes: [Int32]
    /// The images' numbers in the whole run, below 2^48, which key what is drawn for them. As many as classes.
    public var images: [Int]
    public var order: Order
    public var pre: Part
    public var post: Part
    public var seed: UInt64

    public init(classes: [Int32], images: [Int], order: Order, pre: Part, post: Part, seed: UInt64) {
        precondition(classes.count == images.count, "\(classes.count) classes for \(images.count) images")
        self.classes = classes
        self.images = images
        self.order = order
        self.pre = pre
        self.post = post
        self.seed = seed
    }

    /// Checks everything that can be wrong with a request for a model before any work is done.
    /// - Throws: `SamplingError`.
    public func validate(for configuration: GeneratorConfiguration) throws(SamplingError) {
        for label in classes where label < 0 || label >= configuration.classes {
            throw .classOutside(Int(label), classes: configuration.classes)
        }
        try pre.guidance.validate()
        try post.guidance.validate()
        let trained = configuration.positionInstruction ? "random" : configuration.mergeIDs > 0 ? "merged" : "raster"
        switch order {
        case .raster:
            guard trained == "raster" else { throw .orderOfModel(asked: "raster", trained: trained) }
        case .merged(let keptTokens, let mergeID, let window):
            guard trained == "merged" else { throw .orderOfModel(asked: "merged", trained: trained) }
            guard keptTokens >= 1, keptTokens <= configuration.cells else { throw .keptTokens(keptTokens, cells: configuration.cells) }
            guard !mergeID.isNaN else { throw .mergeID(mergeID) }
            guard window >= 1 else { throw .window(window) }
        case .random(let keptTokens, let steps, let schedule):
            guard trained == "random" else { throw .orderOfModel(asked: "random", trained: trained) }
            guard keptTokens >= 1, keptTokens <= configuration.cells else { throw .keptTokens(keptTokens, cells: configuration.cells) }
            _ = try CanonicalSlots.gridSide(of: keptTokens)
            _ = try schedule.counts(tokens: keptTokens, steps: steps)
        }
    }

    /// Codes an image has.
    func tokens(of configuration: GeneratorConfiguration) -> Int {
        if case .random(let keptTokens, _, _) = order { keptTokens } else { configuration.cells }
    }
}

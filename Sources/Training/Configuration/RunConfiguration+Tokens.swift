extension RunConfiguration {
    /// What a fleet that tokenises a folder makes; the sections of a tokenizer's configuration say by what.
    public struct Tokens: Sendable, Equatable {
        /// Part of the dataset.
        public enum Split: String, Sendable, CaseIterable { case train, val }

        public var split = Split.train
        /// 1: centre crop; 2: its mirror image too.
        public var views = 1
        /// Numbers of kept tokens; none if they are drawn.
        public var keep: [Int] = []
        /// Keys the drawn numbers.
        public var seed = 0
        /// Slots of a step, and images that a slot holds, seen one way; filled in when a run starts. They move no bit of the file.
        public var slots = 32
        public var imagesPerSlot = 32
        /// Digest of the tokenizer's weights; filled in when a run starts.
        public var tokenizer: String?
    }

    /// The same as a fleet's configuration for tokenising.
    func tokenising(_ settings: Tokenization.Settings, weightsDigest: String) -> RunConfiguration {
        var result = self
        result.task = .tokenize
        result.tokens.split = Tokens.Split(rawValue: settings.split) ?? .train
        result.tokens.views = settings.views
        result.tokens.keep = if case .each(let counts) = settings.kept { Set(counts).sorted() } else { [] }
        result.tokens.seed = settings.seed
        result.tokens.tokenizer = weightsDigest
        return result
    }

    /// Which records a fleet makes of so many images.
    ///
    /// - Throws: `ConfigurationError` for numbers of kept tokens that the tokenizer cannot keep.
    func tokenizationPlan(images: Int) throws -> TokenizationPlan {
        try TokenizationPlan(
            self, kept: tokens.keep.isEmpty ? .sampled : .each(tokens.keep), images: images, views: tokens.views, seed: UInt64(tokens.seed))
    }
}

extension RunConfiguration.Tokens.Split: ConfigurationChoice {}

extension RunConfiguration.Tokens {
    mutating func visit(_ fields: any ConfigurationVisitor) throws {
        try fields.field("split", &split)
        try fields.field("views", &views, must: "1 or 2") { (1...2).contains($0) }
        try fields.field("keep", &keep, must: "numbers of at least 1; an empty list draws them") { $0.allSatisfy { $0 >= 1 } }
        try fields.field("seed", &seed, must: "0 or more") { $0 >= 0 }
        try fields.field("slots", &slots, must: "a power of two, at most 4096") { (1...4096).contains($0) && $0 & ($0 - 1) == 0 }
        try fields.field("images_per_slot", &imagesPerSlot, must: "1 to 4096") { (1...4096).contains($0) }
        try fields.field("tokenizer", &tokenizer)
    }
}

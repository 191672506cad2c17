import Generators

extension RunConfiguration {
    /// What images a fleet makes; the section `generator` and those of a tokenizer's configuration say by what.
    public struct Generation: Sendable, Equatable {
        /// Labels; empty for all classes.
        public var classes: [Int] = []
        /// Images of each class.
        public var count = 50
        /// How codes are drawn, but for the seed, which is the run's.
        public var settings = GenerationSettings()
        /// Slots of a step, and images of a slot, which are made together. They move no bit of an image.
        public var slots = 16
        public var imagesPerSlot = 4
        /// Digests of the weights of both models; filled in when a run starts.
        public var generatorDigest: String?
        public var tokenizerDigest: String?
    }
}

extension GenerationSettings.Schedule: ConfigurationChoice {}
extension ParallelSchedule: ConfigurationChoice {}

extension RunConfiguration.Generation {
    mutating func visit(_ fields: any ConfigurationVisitor) throws {
        func isScale(_ value: Double) -> Bool { value.isFinite }
        try fields.field("classes", &classes, must: "labels of 0 or more") { $0.allSatisfy { $0 >= 0 } }
        try fields.field("count", &count, must: "1 to 2^24") { (1...1 << 24).contains($0) }
        try fields.field("guidance", &settings.pre.guidance)
        try fields.field("guidance_post", &settings.post.guidance)
        try fields.field("temperature", &settings.pre.temperature)
        try fields.field("temperature_post", &settings.post.temperature)
        try fields.field("top_k", &settings.pre.topK)
        try fields.field("top_k_post", &settings.post.topK)
        try fields.field("top_p", &settings.pre.topP)
        try fields.field("top_p_post", &settings.post.topP)
        try fields.field("guidance_schedule", &settings.schedule)
        try fields.field("guidance_start", &settings.guidanceStart)
        try fields.field("guidance_until", &settings.guidanceUntil)
        try fields.field("guidance_exponent", &settings.guidanceExponent)
        try fields.field("kept_tokens", &settings.keptTokens)
        try fields.field("steps", &settings.steps)
        try fields.field("parallel_schedule", &settings.parallelSchedule)
        try fields.field("slots", &slots, must: "a power of two, at most 4096") { (1...4096).contains($0) && $0 & ($0 - 1) == 0 }
        try fields.field("images_per_slot", &imagesPerSlot, must: "1 to 4096") { (1...4096).contains($0) }
        try fields.field("generator_sha256", &generatorDigest)
        try fields.field("tokenizer_sha256", &tokenizerDigest)
    }
}

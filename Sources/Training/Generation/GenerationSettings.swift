import Generators

/// How images are generated, as a person says it; what is left out suits the generator's kind.
public struct GenerationSettings: Sendable, Equatable {
    /// How guidance changes from an image's first token to its last.
    public enum Schedule: String, Sendable, CaseIterable {
        case constant
        /// From `guidanceStart` straight to the scale.
        case linear
        /// The scale up to a step, then no guidance.
        case interval
        /// From `guidanceStart` to the scale along half a cosine; for comparisons.
        case cosine
        /// From `guidanceStart` to the scale along a power; for comparisons.
        case power
    }

    /// How one part of a code is drawn.
    public struct Part: Sendable, Equatable {
        public var guidance = 1.75
        public var temperature = 1.0
        public var topK = 0
        public var topP = 1.0

        public init() {}
    }

    public var pre = Part()
    public var post = Part()
    /// Linear for RandAR, else constant, if nil.
    public var schedule: Schedule?
    public var guidanceStart = 1.0
    /// Schedule interval: the last guided step; the first token is always guided, the second's step is 0.
    public var guidanceUntil: Int?
    /// Schedule power.
    public var guidanceExponent = 2.0
    /// MergeAR: K, a square; the fewest that it has learnt if nil.
    public var keptTokens: Int?
    /// RandAR: calls of the model; if nil, the paper's 64 for 144 tokens and 88 for 256, and four for nine of others.
    public var steps: Int?
    /// RandAR: how many tokens each call makes; `randar` if nil.
    public var parallelSchedule: ParallelSchedule?
    public var seed: UInt64 = 0

    public init() {}

    /// What to ask a generator for.
    ///
    /// - Parameter configuration: the generator's.
    /// - Throws: `GenerationError`, `SamplingError` for settings that this generator does not have, or that nothing can be drawn with.
    public func request(for configuration: RunConfiguration, classes: [Int32], images: [Int]) throws -> GenerationRequest {
        let kind = configuration.generator.kind
        let request = GenerationRequest(
            classes: classes, images: images, order: try order(configuration), pre: try part(pre, kind), post: try part(post, kind), seed: seed)
        try request.validate(for: configuration.generatorConfiguration)
        return request
    }

    private func part(_ part: Part, _ kind: RunConfiguration.Generator.Kind) throws -> GenerationRequest.Part {
        let schedule = schedule ?? (kind == .randar ? .linear : .constant)
        let guidance: GuidanceSchedule
        switch schedule {
        case .constant: guidance = .constant(part.guidance)
        case .linear: guidance = .linear(from: guidanceStart, to: part.guidance)
        case .interval:
            guard let guidanceUntil else {
                throw GenerationError.schedule("guidance schedule interval: needs the last guided step; give --cfg-until, for example 100")
            }
            guidance = .interval(part.guidance, through: guidanceUntil)
        case .cosine: guidance = .cosine(from: guidanceStart, to: part.guidance)
        case .power: guidance = .power(from: guidanceStart, to: part.guidance, exponent: guidanceExponent)
        }
        if guidanceUntil != nil, schedule != .interval {
            throw GenerationError.schedule("--cfg-until: is for the guidance schedule interval, not \(schedule.rawValue); leave it out")
        }
        return GenerationRequest.Part(
            try TokenSampler(temperature: part.temperature, topK: part.topK, topP: part.topP), guidance: guidance)
    }

    private func order(_ configuration: RunConfiguration) throws -> GenerationRequest.Order {
        let (generator, cells) = (configuration.generator, configuration.generatorConfiguration.cells)
        func refuse(_ setting: String, unless isRight: Bool, of: RunConfiguration.Generator.Kind) throws {
            guard isRight else { throw GenerationError.notForKind(setting: setting, kind: generator.kind, of: of.rawValue) }
        }
        try refuse("--steps", unless: steps == nil || generator.kind == .randar, of: .randar)
        try refuse("--parallel-schedule", unless: parallelSchedule == nil || generator.kind == .randar, of: .randar)
        switch generator.kind {
        case .llamagen:
            try refuse("--merge", unless: keptTokens == nil, of: .mergear)
            return .raster
        case .mergear:
            let kept = keptTokens(for: configuration)
            guard (1...cells).contains(kept) else { throw SamplingError.keptTokens(kept, cells: cells) }
            _ = try CanonicalSlots.gridSide(of: kept)
            return .merged(keptTokens: kept, mergeID: Double(configuration.mergeID(kept: kept)), window: generator.window)
        case .randar:
            if let keptTokens, keptTokens != cells { throw GenerationError.otherKeptTokens(keptTokens, learnt: cells) }
            return .random(
                keptTokens: cells, steps: steps ?? GenerationSettings.steps(tokens: cells), schedule: parallelSchedule ?? .randar)
        }
    }

    /// MergeAR's K: what was asked for, else the fewest that the generator has learnt.
    public func keptTokens(for configuration: RunConfiguration) -> Int {
        keptTokens ?? configuration.keptSides.lowerBound * configuration.keptSides.lowerBound
    }

    private static func steps(tokens: Int) -> Int { tokens == 256 ? 88 : max(1, (tokens * 4 + 8) / 9) }
}

/// What coordinator and workers have to agree on before a step is computed. Both sides derive it from the configuration; they compare.
public struct StepPlan: Codable, Equatable, Sendable {
    /// The number of steps committed before this one.
    public var step: Int
    /// The pass over the dataset that the step belongs to, from 0.
    public var epoch: Int
    /// Slots per step, a power of two.
    public var slots: Int
    /// Numbers that the fleet passes on without knowing their meaning: kept tokens, learning rates.
    /// `relativeCost`, if present and positive, says how expensive a slot of this step is, compared with other steps.
    public var values: [String: Double]
    /// Digest of the sample ids of all slots.
    public var samplesDigest: String

    public init(step: Int, epoch: Int, slots: Int, values: [String: Double] = [:], samplesDigest: String) {
        self.step = step
        self.epoch = epoch
        self.slots = slots
        self.values = values
        self.samplesDigest = samplesDigest
    }

    /// The name under which `values` says how expensive a slot of this step is.
    public static let relativeCostName = "relativeCost"

    /// How expensive a slot of this step is, compared with other steps.
    package var relativeCost: Double {
        guard let cost = values[StepPlan.relativeCostName], cost > 0, cost.isFinite else { return 1 }
        return cost
    }

    /// The first field in which two plans of one step differ, with both values; nil when they are equal.
    public func difference(from other: StepPlan) -> String? {
        if step != other.step { return "step \(step) and \(other.step)" }
        if epoch != other.epoch { return "epoch \(epoch) and \(other.epoch)" }
        if slots != other.slots { return "slots \(slots) and \(other.slots)" }
        for name in Set(values.keys).union(other.values.keys).sorted() where values[name] != other.values[name] {
            let texts = [self, other].map { $0.values[name].map { "\($0)" } ?? "none" }
            return "\(name) \(texts[0]) and \(texts[1])"
        }
        if samplesDigest != other.samplesDigest { return "samples \(samplesDigest) and \(other.samplesDigest)" }
        return nil
    }
}

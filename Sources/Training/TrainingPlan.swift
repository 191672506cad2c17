import Checksums
import Fleet
import ImageData
import MergeVQ
import NeuralNet
import TensorCore

/// What every step does, as a pure function of the configuration and the number of samples: which samples each slot holds, how many tokens are
/// kept, the learning rate. Coordinator and workers compute it on their own and compare.
public struct TrainingPlan: Sendable {
    public let configuration: RunConfiguration
    /// Images in the dataset, N.
    public let sampleCount: Int
    /// Of tokenizers.
    private let keptTokens: KeptTokenDistribution?
    private let mergeRatio: Philox
    /// What a slot costs at each kept-token count that can be drawn, compared with the largest: operations of the tokenizer's forward pass,
    /// source recovery included. Losses, discriminator and frozen networks cost the same at every count and are left out; so the costs differ a
    /// little more than the times do. They decide who gets how many slots and when a worker is late, and no bit of a result.
    private let costs: [Int: Double]
    /// Keys the audit hash of a sample.
    let audit: Philox

    public init(configuration: RunConfiguration, sampleCount: Int) {
        precondition(sampleCount > 0, "a plan needs samples")
        self.configuration = configuration
        self.sampleCount = sampleCount
        let tokenizer = configuration.task == .tokenizer ? configuration.tokenizer : nil
        keptTokens = tokenizer?.keptTokens
        let parts = Set(ForwardPass.Part.allCases)
        let operations = tokenizer.map { tokenizer in tokenizer.keptTokens.candidates.map { ($0, ForwardPass(tokenizer, kept: $0).flops(parts)) } } ?? []
        let most = operations.map { $0.1 }.max() ?? 1
        costs = Dictionary(operations.map { ($0.0, $0.1 / most) }) { $1 }
        mergeRatio = Philox(seed: UInt64(configuration.seed), domain: "merge-ratio")
        audit = Philox(seed: UInt64(configuration.seed), domain: "sample-audit")
    }

    private var globalBatch: Int { configuration.training.globalBatch }
    /// Steps that see every image once; the last may hold fewer images.
    public var stepsPerEpoch: Int { (sampleCount + globalBatch - 1) / globalBatch }
    public func epoch(of step: Int) -> Int { step / stepsPerEpoch }
    /// Whether an epoch ends with a step.
    public func endsEpoch(_ step: Int) -> Bool { (step + 1) % stepsPerEpoch == 0 }

    /// Epochs done after `steps` steps, as a fraction.
    public func epochs(after steps: Int) -> Double { Double(steps) / Double(stepsPerEpoch) }

    /// The kept-token count K of a step in a tokenizer's training; the same for all its images.
    public func keptTokens(step: Int) -> Int {
        guard let keptTokens else { preconditionFailure("a step of \(configuration.task) draws no number of kept tokens") }
        return switch configuration.merging.draw {
        case .random: keptTokens.keptTokens(at: mergeRatio.uniform(step: step))
        case .sawtooth: keptTokens.keptTokens(at: 0.01 * Double(step % stepsPerEpoch % 100))
        }
    }

    public func learningRate(step: Int) -> Double { configuration.optimizer.learningRate * schedule.factor(step: step) }

    private var schedule: LearningRateSchedule {
        let (optimizer, steps) = (configuration.optimizer, configuration.training.steps)
        let course: LearningRateSchedule.Course
        switch optimizer.schedule {
        case .constant: course = .constant
        case .steps: course = .steps(at: optimizer.dropEpochs.map { $0 * stepsPerEpoch }, factor: optimizer.dropFactor)
        case .cosine: course = .cosine(end: steps, minimum: optimizer.minimumShare)
        case .holdLinear: return .warmUpHoldLinear(warmUp: optimizer.warmUpSteps, steps: steps)
        case .cosineFloor: return .cosineWarmUp(warmUp: optimizer.warmUpSteps, steps: steps)
        case .stepDrops: return .stepDrops(warmUp: optimizer.warmUpSteps, steps: steps)
        }
        return LearningRateSchedule(course, warmUp: optimizer.warmUpSteps)
    }

    /// The samples of one slot, ascending in the epoch's order: fewer, or none, at the end of an epoch.
    public func samples(step: Int, slot: Int) -> [Int] {
        let slots = configuration.training.slots
        precondition((0..<slots).contains(slot), "slot \(slot) of \(slots)")
        let perSlot = globalBatch / slots
        let first = step % stepsPerEpoch * globalBatch + slot * perSlot
        let order = EpochPermutation(count: sampleCount, seed: UInt64(configuration.seed), epoch: epoch(of: step))
        return (first..<max(first, min(first + perSlot, sampleCount))).map { order($0) }
    }

    /// How many images a step sees.
    public func imageCount(step: Int) -> Int {
        let first = step % stepsPerEpoch * globalBatch
        return min(first + globalBatch, sampleCount) - first
    }

    /// The samples of a block's slots, in order.
    public func samples(step: Int, block: SlotBlock) -> [Int] {
        block.slots.flatMap { samples(step: step, slot: $0) }
    }

    /// The numbers of a step that its journal line and its metrics begin with.
    func values(step: Int) -> [String: Double] {
        var values = ["learning_rate": learningRate(step: step)]
        if keptTokens != nil { values["kept_tokens"] = Double(keptTokens(step: step)) }
        return values
    }

    /// What a slot of a step costs, compared with one of the most expensive step.
    private func relativeCost(step: Int) -> Double { keptTokens == nil ? 1 : costs[keptTokens(step: step)] ?? 1 }

    /// What both sides must agree on; `values` and the relative cost of a slot.
    public func stepPlan(_ step: Int) -> StepPlan {
        let hash = SHA256()
        for slot in 0..<configuration.training.slots {
            hash.update(samples(step: step, slot: slot).map(String.init).joined(separator: " ") + "\n")
        }
        return StepPlan(
            step: step, epoch: epoch(of: step), slots: configuration.training.slots,
            values: values(step: step).merging([StepPlan.relativeCostName: relativeCost(step: step)]) { $1 },
            samplesDigest: hash.finish())
    }
}

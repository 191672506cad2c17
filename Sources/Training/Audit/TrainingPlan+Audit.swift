import Fleet
import TensorCore

extension TrainingPlan {
    /// The audit hash of an epoch (spec/fleet.md, I7): the wrapping sum over the samples that were counted so far of a keyed hash, and their
    /// number. Order does not matter, a missing or repeated sample does.
    public struct Audit: Sendable, Equatable {
        public let epoch: Int
        public private(set) var samples = 0
        public private(set) var sum: UInt64 = 0

        fileprivate init(epoch: Int) { self.epoch = epoch }

        /// Reads `text`; nil if it is none.
        public init?(text: String, epoch: Int) {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, let samples = Int(parts[0]), samples >= 0, let sum = UInt64(parts[1], radix: 16) else { return nil }
            (self.epoch, self.samples, self.sum) = (epoch, samples, sum)
        }

        /// `samples:sum`, the sum in hexadecimal.
        public var text: String { "\(samples):" + String(sum, radix: 16) }

        fileprivate mutating func add(_ hash: UInt64) {
            samples += 1
            sum &+= hash
        }
    }

    private func hash(of sample: Int, epoch: Int) -> UInt64 { audit.bits(step: epoch, sample: sample) }

    /// The audit of an epoch after a step: the samples of the blocks that were computed are counted, whatever the plan says of other slots.
    ///
    /// - Parameters:
    ///   - blocks: the blocks whose sums were added up.
    ///   - previous: the audit after the step before. Nil, or that of another epoch, at the start of an epoch; nil within one takes the steps
    ///     before for done as planned, as a run does that begins with another's checkpoint.
    public func audit(after step: Int, blocks: some Sequence<SlotBlock>, previous: Audit?) -> Audit {
        let epoch = epoch(of: step)
        var result = Audit(epoch: epoch)
        if let previous, previous.epoch == epoch {
            result = previous
        } else {
            for before in (epoch * stepsPerEpoch)..<step {
                for sample in samples(step: before, block: .all(slots: configuration.training.slots)) { result.add(hash(of: sample, epoch: epoch)) }
            }
        }
        for block in blocks {
            for sample in samples(step: step, block: block) { result.add(hash(of: sample, epoch: epoch)) }
        }
        return result
    }

    /// What the audit of an epoch must be at its end: every sample once. It knows of sample ids alone, not of the order, the steps and the slots
    /// in which the epoch sees them.
    public func completeAudit(ofEpoch epoch: Int) -> Audit {
        var result = Audit(epoch: epoch)
        for sample in 0..<sampleCount { result.add(hash(of: sample, epoch: epoch)) }
        return result
    }
}

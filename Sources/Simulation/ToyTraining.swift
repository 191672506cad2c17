import Checksums
import Fleet

/// A training with a model of four numbers: plan, gradients, update and digests, all real but small.
///
/// A slot's gradient depends on the weights, the step, the plan's kept tokens, the slot and the bytes of its samples, and its numbers differ so
/// much in size that nearly every other order of additions gives other bits.
final class ToyTraining {
    typealias Vector = SIMD4<Float>

    static let vectorBytes = 16
    static let chunkBytes = 8
    static let firstWeights = Vector(0.5, -1.25, 3, 0.1)
    private static let samplesPerSlot = 2

    let seed: UInt64
    let slots: Int
    /// Not a multiple of a step's samples: in the last step of an epoch some slots hold fewer samples or none.
    let sampleCount: Int
    private var plans: [StepPlan] = []
    private var permutations: [(factor: Int, offset: Int)] = []

    init(seed: UInt64, slots: Int) {
        self.seed = seed
        self.slots = slots
        sampleCount = slots * 5 + 1
    }

    private var samplesPerStep: Int { slots * ToyTraining.samplesPerSlot }
    var stepsPerEpoch: Int { (sampleCount + samplesPerStep - 1) / samplesPerStep }
    func epoch(of step: Int) -> Int { step / stepsPerEpoch }

    // MARK: Plan

    func plan(_ step: Int) -> StepPlan {
        while plans.count <= step { plans.append(makePlan(plans.count)) }
        return plans[step]
    }

    private func makePlan(_ step: Int) -> StepPlan {
        let hash = SHA256()
        for slot in 0..<slots { hash.update(samples(step: step, slot: slot).map(String.init).joined(separator: " ") + "\n") }
        let kept = keptTokens(step)
        return StepPlan(
            step: step, epoch: epoch(of: step), slots: slots, values: ["kept_tokens": Double(kept), "relativeCost": kept > 128 ? 2 : 1],
            samplesDigest: hash.finish())
    }

    func keptTokens(_ step: Int) -> Int { 1 + Int(mix(seed ^ mix(UInt64(step) ^ 0x6b65_7074)) % 256) }

    /// The samples of a slot: the epoch's order is an affine permutation of all samples.
    func samples(step: Int, slot: Int) -> [Int] {
        let epoch = epoch(of: step)
        while permutations.count <= epoch { permutations.append(permutation(permutations.count)) }
        let (factor, offset) = permutations[epoch]
        let first = step % stepsPerEpoch * samplesPerStep + slot * ToyTraining.samplesPerSlot
        let end = max(first, min(first + ToyTraining.samplesPerSlot, sampleCount))
        return (first..<end).map { ($0 * factor + offset) % sampleCount }
    }

    private func permutation(_ epoch: Int) -> (factor: Int, offset: Int) {
        var key = mix(seed ^ mix(UInt64(epoch) ^ 0x6570_6f63))
        var factor = 1
        repeat {
            key = mix(key)
            factor = 1 + Int(key % UInt64(sampleCount))
        } while greatestCommonDivisor(factor, sampleCount) != 1
        return (factor, Int(mix(key) % UInt64(sampleCount)))
    }

    private func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : greatestCommonDivisor(b, a % b) }

    /// The bytes of a sample; twelve, so two chunks.
    func bytes(ofSample id: Int) -> [UInt8] {
        let words = [mix(seed ^ mix(UInt64(id))), mix(seed ^ mix(UInt64(id) ^ 0x7361_6d70))]
        return (0..<12).map { UInt8(truncatingIfNeeded: words[$0 / 8] >> UInt64(8 * ($0 % 8))) }
    }

    // MARK: Gradient and update

    func gradient(weights: Vector, plan: StepPlan, slot: Int, samples: [[UInt8]]) -> Vector {
        guard !samples.isEmpty else { return .zero }
        var hash = mix(UInt64(plan.step) << 32 | UInt64(slot)) ^ (plan.values["kept_tokens"] ?? 0).bitPattern
        for sample in samples {
            for byte in sample { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
            hash = mix(hash)
        }
        var noise = Vector.zero
        for lane in 0..<4 {
            let bits = mix(hash &+ UInt64(lane))
            noise[lane] = Float(Int32(truncatingIfNeeded: bits)) * (1 / Float(1 << (20 + bits >> 60)))
        }
        return noise + weights * 1.37
    }

    /// The tree sum of a block, by the definition in docs/protocol.md.
    static func sum(of block: SlotBlock, slot: (Int) -> Vector) -> Vector {
        guard let (left, right) = block.children else { return slot(block.index) }
        return sum(of: left, slot: slot) + sum(of: right, slot: slot)
    }

    func updated(_ weights: Vector, gradient: Vector) -> Vector { weights - gradient * (0.1 / Float(slots)) }

    // MARK: Bytes and digests

    static func pack(_ vector: Vector) -> [UInt8] { withUnsafeBytes(of: vector) { Array($0) } }

    static func unpack(_ bytes: [UInt8]) -> Vector {
        bytes.withUnsafeBytes { $0.loadUnaligned(as: Vector.self) }
    }

    /// The checksums of a gradient's chunks, as `Transport` makes them.
    static func checksums(ofChunks bytes: [UInt8]) -> [UInt32] {
        let layout = ChunkLayout(totalBytes: bytes.count, chunkBytes: chunkBytes)
        return bytes.withUnsafeBytes { bytes in
            (0..<layout.count).map { CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[layout.range(of: $0)])) }
        }
    }

    static func digest(_ vector: Vector) -> String { withUnsafeBytes(of: vector) { SHA256.digest(of: $0) } }

    /// The audit of an epoch: the wrapping sum of a keyed hash over samples, and their number.
    struct Audit: Equatable {
        let epoch: Int
        var samples = 0
        var sum: UInt64 = 0
        var text: String { "\(samples):" + String(sum, radix: 16) }
    }

    func add(step: Int, slot: Int, to audit: inout Audit) {
        for id in samples(step: step, slot: slot) {
            audit.samples += 1
            audit.sum &+= mix(seed ^ mix(UInt64(audit.epoch) << 40 ^ UInt64(id)))
        }
    }

    /// What the audit of an epoch must be at its end: every sample once.
    func fullAudit(epoch: Int) -> Audit {
        var audit = Audit(epoch: epoch)
        for id in 0..<sampleCount {
            audit.samples += 1
            audit.sum &+= mix(seed ^ mix(UInt64(epoch) << 40 ^ UInt64(id)))
        }
        return audit
    }
}

/// A run that nothing disturbs, computed by the definitions and without a fleet: what every simulated run has to equal.
struct UndisturbedRun {
    struct Step {
        let gradientDigest: String
        /// Of the weights after the step.
        let weightsDigest: String
        let auditHash: String
    }

    let steps: [Step]
    /// Before each step, and after the last.
    let weights: [ToyTraining.Vector]
    let weightsDigests: [String]

    init(_ training: ToyTraining, steps count: Int) {
        var (weights, steps) = ([ToyTraining.firstWeights], [Step]())
        var audit = ToyTraining.Audit(epoch: 0)
        for step in 0..<count {
            let plan = training.plan(step)
            let root = ToyTraining.sum(of: .all(slots: training.slots)) { slot in
                training.gradient(
                    weights: weights[step], plan: plan, slot: slot,
                    samples: training.samples(step: step, slot: slot).map(training.bytes(ofSample:)))
            }
            weights.append(training.updated(weights[step], gradient: root))
            if training.epoch(of: step) != audit.epoch { audit = ToyTraining.Audit(epoch: training.epoch(of: step)) }
            for slot in 0..<training.slots { training.add(step: step, slot: slot, to: &audit) }
            steps.append(
                Step(
                    gradientDigest: ToyTraining.digest(root), weightsDigest: ToyTraining.digest(weights[step + 1]), auditHash: audit.text))
        }
        self.steps = steps
        self.weights = weights
        weightsDigests = weights.map(ToyTraining.digest)
    }
}

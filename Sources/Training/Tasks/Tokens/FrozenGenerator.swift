import Checksums
import Generators
import NeuralNet
import TensorCore

/// A trained RandAR generator whose errors source recovery learns to live with (stage2 3.6). It is not trained.
struct FrozenGenerator: Sendable {
    let checkpoint: GeneratorCheckpoint
    /// Of the weights.
    let digest: String
    private let factors: TokenFactors
    private let random: Philox
    private let corruption: Double
    private let seed: UInt64

    /// The one that a configuration names; nil for none.
    ///
    /// - Throws: as `GeneratorCheckpoint` does; `TrainingError` for a generator of another kind, or another than the run's.
    init?(_ configuration: RunConfiguration) throws {
        guard let path = configuration.recovery.generator else { return nil }
        checkpoint = try GeneratorCheckpoint(path: path, weights: .ema)
        let settings = checkpoint.configuration.generator
        guard settings.kind == .randar else {
            throw TrainingError.unsuitableCheckpoint(
                file: checkpoint.file, reason: "is of a \(settings.kind.rawValue) generator, which needs no source recovery; give that of a randar")
        }
        digest = checkpoint.weights.withBytes { SHA256.digest(of: $0) }
        if let stored = configuration.recovery.sha256, stored != digest {
            throw TrainingError.otherNetwork(file: checkpoint.file, stored: stored, found: digest)
        }
        factors = TokenFactors(preBits: settings.preBits, postBits: settings.postBits)
        corruption = configuration.recovery.corruption
        seed = UInt64(configuration.seed)
        random = Philox(seed: seed, domain: "recovery corruption")
    }

    /// The records' codes, of which those decoded last are what the generator would have drawn after the true ones before them: in a random
    /// order, a share of up to `corruption` of them, at temperature 1 and without guidance. A function of seed, step and sample.
    func corrupted(_ records: [TokenRecord], samples: [Int], step: Int, pool: ThreadPool) -> [[UInt32]] {
        let generator = checkpoint.generator
        let count = generator.configuration.cells
        let orders = samples.map { SlotOrder(count: count, seed: seed, step: step, image: $0) }
        // How many of each stay true.
        let kept = samples.map { count - Int(Double(count) * corruption * random.uniform(step: step, sample: $0)) }
        let parts = records.flatMap { $0.codes.map { factors.split(Int32(bitPattern: $0)) } }
        let graph = Graph(weights: checkpoint.weights, pool: pool)
        let pass = generator(
            Generator.Images(classes: records.map { Int32($0.label) }, pre: parts.map { Int32($0.pre) }, post: parts.map { Int32($0.post) }),
            orders: orders, in: graph)
        let sampler = try? TokenSampler()
        /// Draws a part of the codes by the scores `[B, K, outcomes]`, which are in decoding order.
        func drawn(_ scores: Tensor, subToken: Int, otherwise: (_ sample: Int, _ slot: Int) -> Int32) -> [Int32] {
            let outcomes = scores.shape[2]
            let elements = scores.elements
            return orders.enumerated().flatMap { sample, order in
                order.slots.enumerated().map { turn, slot in
                    let row = (sample * count + turn) * outcomes
                    guard turn >= kept[sample], let distribution = try? sampler?.distribution(Array(elements[row..<(row + outcomes)])) else {
                        return otherwise(sample, slot)
                    }
                    let u = random.uniform(step: step, sample: samples[sample], draw: 1 + 2 * slot + subToken)
                    return Int32(distribution.token(at: u))
                }
            }
        }
        func part(_ sample: Int, _ slot: Int) -> (pre: Int, post: Int) { parts[sample * count + slot] }
        let pre = drawn(pass.scores.pre.value, subToken: 0) { Int32(part($0, $1).pre) }
        let post = drawn(generator.scores(pass.states, pre: pre).post.value, subToken: 1) { Int32(part($0, $1).post) }
        return orders.enumerated().map { sample, order in
            let codes = (0..<count).map { UInt32(bitPattern: factors.join(pre: Int(pre[sample * count + $0]), post: Int(post[sample * count + $0]))) }
            return order.inSlotOrder(codes)
        }
    }
}

import NeuralNet
import TensorCore

/// What one training step drops: factors 0 or 1/(1 − p) for the elements of a value, functions of seed, step and sample, so that a sample's do
/// not depend on those it is computed with.
public struct GeneratorDropout: Sendable {
    /// Where elements are dropped.
    public enum Site: Hashable, Sendable {
        case tokens
        case attention(layer: Int)
        case feedForward(layer: Int)
        case intraAttention(layer: Int)
        case intraFeedForward(layer: Int)

        var name: String {
            switch self {
            case .tokens: "tokens"
            case .attention(let layer): "attention/\(layer)"
            case .feedForward(let layer): "feed-forward/\(layer)"
            case .intraAttention(let layer): "intra-attention/\(layer)"
            case .intraFeedForward(let layer): "intra-feed-forward/\(layer)"
            }
        }
    }

    private let factors: @Sendable (Site, Shape) -> Tensor?
    private let isDropped: @Sendable (_ index: Int) -> Bool

    /// - Parameters:
    ///   - step: the optimizer step.
    ///   - samples: the batch's numbers within the step.
    public init(_ rates: GeneratorConfiguration.Dropout, seed: UInt64, step: Int, samples: [Int], pool: ThreadPool) {
        factors = { site, shape in
            let rate: Float =
                switch site {
                case .tokens: rates.tokens
                case .attention, .intraAttention: rates.attention
                case .feedForward, .intraFeedForward: rates.feedForward
                }
            guard rate > 0 else { return nil }
            let random = Philox(seed: seed, domain: "generator-dropout/" + site.name)
            return GeneratorDropout.factors(rate, random, step: step, samples: samples, shape: shape, pool: pool)
        }
        isDropped = { index in
            Philox(seed: seed, domain: "generator-dropout/classes").uniform(step: step, sample: samples[index]) < Double(rates.classes)
        }
    }

    /// Factors and dropped labels that are given.
    package init(factors: @escaping @Sendable (Site, Shape) -> Tensor?, isDropped: @escaping @Sendable (_ index: Int) -> Bool) {
        self.factors = factors
        self.isDropped = isDropped
    }

    /// The factors of a value whose samples lie one after the other; nil if nothing is dropped there.
    subscript(site: Site, shape: Shape) -> Tensor? { factors(site, shape) }

    /// A value with elements dropped.
    public func dropping(_ site: Site, of x: Variable) -> Variable {
        self[site, x.shape].map { x.multiplied(by: $0) } ?? x
    }

    /// The labels, of which dropped ones are the null class.
    public func applied(to classes: [Int32], nullClass: Int) -> [Int32] {
        classes.enumerated().map { isDropped($0) ? Int32(nullClass) : $1 }
    }

    /// Four elements for each 128 random bits: an element is dropped if its 32 bits, as a fraction, are below the rate.
    private static func factors(_ rate: Float, _ random: Philox, step: Int, samples: [Int], shape: Shape, pool: ThreadPool) -> Tensor {
        precondition(rate < 1 && shape.count % max(samples.count, 1) == 0, "dropout of \(rate) in \(shape) of \(samples.count) samples")
        let result = Tensor(uninitialised: shape)
        let length = shape.count / max(samples.count, 1)
        let threshold = UInt32(Double(rate) * 0x1p32)
        let kept = 1 / (1 - rate)
        let block = 4096
        let blocks = (length + block - 1) / block
        pool.parallel(samples.count * blocks) { index in
            let (sample, start) = (index / blocks, index % blocks * block)
            result.withElements { elements in
                for first in stride(from: start, to: min(start + block, length), by: 4) {
                    let words = random.words(step: step, sample: samples[sample], draw: first / 4)
                    let place = sample * length + first
                    for (lane, word) in [words.0, words.1, words.2, words.3].enumerated() where first + lane < length {
                        elements[place + lane] = word < threshold ? 0 : kept
                    }
                }
            }
        }
        return result
    }
}

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

    private let factors: @Sendable (Site, Shape) -> DropoutFactors?
    private let isDropped: @Sendable (_ index: Int) -> Bool

    /// - Parameters:
    ///   - step: the optimizer step.
    ///   - samples: the batch's numbers within the step.
    public init(_ rates: GeneratorConfiguration.Dropout, seed: UInt64, step: Int, samples: [Int]) {
        factors = { site, shape in
            let rate: Float =
                switch site {
                case .tokens: rates.tokens
                case .attention, .intraAttention: rates.attention
                case .feedForward, .intraFeedForward: rates.feedForward
                }
            guard rate > 0 else { return nil }
            let random = Philox(seed: seed, domain: "generator-dropout/" + site.name)
            return DropoutFactors(rate: rate, random: random, step: step, samples: samples, shape: shape)
        }
        isDropped = { index in
            Philox(seed: seed, domain: "generator-dropout/classes").uniform(step: step, sample: samples[index]) < Double(rates.classes)
        }
    }

    /// Factors and dropped labels that are given.
    package init(factors: @escaping @Sendable (Site, Shape) -> DropoutFactors?, isDropped: @escaping @Sendable (_ index: Int) -> Bool) {
        self.factors = factors
        self.isDropped = isDropped
    }

    /// The factors of a value whose samples lie one after the other; nil if nothing is dropped there.
    subscript(site: Site, shape: Shape) -> DropoutFactors? { factors(site, shape) }

    /// A value with elements dropped.
    public func dropping(_ site: Site, of x: Variable) -> Variable {
        self[site, x.shape].map { x.multiplied(by: $0) } ?? x
    }

    /// The labels, of which dropped ones are the null class.
    public func applied(to classes: [Int32], nullClass: Int) -> [Int32] {
        classes.enumerated().map { isDropped($0) ? Int32(nullClass) : $1 }
    }
}

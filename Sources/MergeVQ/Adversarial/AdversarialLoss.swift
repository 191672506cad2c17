import NeuralNet
import TensorCore

#if canImport(Glibc)
import Glibc
#endif

/// The losses between discriminator and generator (spec 5), from logits `[B, h, w, 1]`.
public struct AdversarialLoss: Sendable, Equatable {
    /// How the generator is told to look real.
    public enum Generator: String, Sendable, CaseIterable {
        /// mean_b softplus(−mean_hw D(x̂_b)), the official code's choice.
        case nonSaturating = "non_saturating"
        /// −mean D(x̂)
        case hinge
    }

    public var generator: Generator
    /// Of LeCam's regulariser in the discriminator's loss.
    public var lecamWeight: Float

    public init(generator: Generator = .nonSaturating, lecamWeight: Float = 0.01) {
        self.generator = generator
        self.lecamWeight = lecamWeight
    }

    /// The generator's loss g, a mean over the batch: logits of x̂ from a discriminator that is frozen.
    public func generatorLoss(_ fake: Variable) -> Variable {
        switch generator {
        case .nonSaturating:
            return fake.spatialMean(fake.spatialMoments()).mean { x in
                // softplus(−x) without overflow, and −σ(−x).
                let tail = exp(-abs(x))
                return ((x < 0 ? -x : 0) + log1p(tail), x < 0 ? -1 / (1 + tail) : -tail / (1 + tail))
            }
        case .hinge:
            return fake.mean { (-$0, -1) }
        }
    }

    /// The discriminator's loss and its parts.
    public struct Discriminator {
        /// hinge + lecamWeight · lecam, which training goes back from.
        public let total: Variable
        public let hinge: Float
        public let lecam: Float
    }

    /// ½[mean max(0, 1 − D(x)) + mean max(0, 1 + D(x̂))], and LeCam's regulariser.
    ///
    /// The batch is what one worker has at hand, a slot: its logits' means move the averages for its own regulariser, as on a rank of the official
    /// code, while `DiscriminatorStatistics` moves them by the means over the whole step.
    ///
    /// - Parameter averages: before this batch, by whose means they are moved first.
    public func discriminatorLoss(real: Variable, fake: Variable, averages: LeCamAverages) -> Discriminator {
        let hinge = Variable.weightedSum([
            (0.5, real.mean { $0 >= 1 ? (0, 0) : (1 - $0, -1) }), (0.5, fake.mean { $0 <= -1 ? (0, 0) : (1 + $0, 1) }),
        ])
        let moved = averages.moved(real: meanLogit(real.value), fake: meanLogit(fake.value))
        let lecam = AdversarialLoss.lecam(real: real, fake: fake, averages: moved)
        return Discriminator(
            total: Variable.weightedSum([(1, hinge), (lecamWeight, lecam)]), hinge: hinge.value.scalar, lecam: lecam.value.scalar)
    }

    /// LeCam's regulariser: mean max(0, D(x) − e_fake)² + mean max(0, e_real − D(x̂))².
    package static func lecam(real: Variable, fake: Variable, averages: LeCamAverages) -> Variable {
        let (averageReal, averageFake) = (Double(averages.real), Double(averages.fake))
        return real.mean { x in
            let above = x - averageFake
            return above <= 0 ? (0, 0) : (above * above, 2 * above)
        } + fake.mean { x in
            let below = averageReal - x
            return below <= 0 ? (0, 0) : (below * below, -2 * below)
        }
    }

    /// The adaptive weight of g, which the official configurations leave off: 0.8 · clamp(‖∂L_rec/∂W‖/(‖∂g/∂W‖ + 1e-4), 0, 1e4), where W is the
    /// weight of the decoder's last convolution and L_rec the reconstruction and perceptual losses.
    public static func adaptiveWeight(reconstructionGradientNorm: Double, generatorGradientNorm: Double) -> Double {
        0.8 * min(max(reconstructionGradientNorm / (generatorGradientNorm + 1e-4), 0), 1e4)
    }
}

extension Variable {
    /// The mean over all elements of a function, given with its derivative: for values of few elements.
    func mean(of function: (Double) -> (value: Double, slope: Double)) -> Variable {
        let results = value.elements.map { function(Double($0)) }
        let count = Double(results.count)
        let mean = results.reduce(0.0) { $0 + $1.value } / count
        return graph.operation(Tensor([Float(mean)], [1]), passing: [self]) { [node] gradient in
            let seed = Double(gradient.scalar)
            node.accumulate(Tensor(results.map { Float(seed * $0.slope / count) }, node.shape))
        }
    }
}

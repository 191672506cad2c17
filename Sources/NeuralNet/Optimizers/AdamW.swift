import Kernels
import TensorCore

#if canImport(Glibc)
import Glibc
#endif

/// AdamW (Loshchilov & Hutter) over flat vectors, with the weight average of evaluation in the same pass over memory.
public struct AdamW: Sendable {
    public var beta1: Double
    public var beta2: Double
    public var epsilon: Double
    public var weightDecay: Double
    /// Decay of the weight average, per optimizer step; constant, no ramp-up (spec 7).
    public var emaDecay: Double

    public init(beta1: Double, beta2: Double, epsilon: Double = 1e-8, weightDecay: Double = 0, emaDecay: Double) {
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.emaDecay = emaDecay
    }

    /// Everything training changes: weights, their moments and their average, each a vector of one `ParameterLayout`, and the number of
    /// steps taken.
    public struct State: Sendable {
        public var weights: Tensor
        public var firstMoment: Tensor
        public var secondMoment: Tensor
        public var ema: Tensor
        public var step: Int

        /// The state before the first step: no moments, the average a copy of the weights.
        public init(weights: Tensor) {
            self.init(
                weights: weights, firstMoment: Tensor(zeros: weights.shape), secondMoment: Tensor(zeros: weights.shape),
                ema: weights.copied(), step: 0)
        }

        public init(weights: Tensor, firstMoment: Tensor, secondMoment: Tensor, ema: Tensor, step: Int) {
            self.weights = weights
            self.firstMoment = firstMoment
            self.secondMoment = secondMoment
            self.ema = ema
            self.step = step
        }

        /// A copy with memory of its own, for writing while training goes on.
        public func snapshot() -> State {
            State(
                weights: weights.copied(), firstMoment: firstMoment.copied(), secondMoment: secondMoment.copied(),
                ema: ema.copied(), step: step)
        }
    }

    /// A range of the vectors with a scale and a decay of its own: one optimizer of several that step together, or parameters that do not decay.
    public struct Part: Sendable {
        public let range: Range<Int>
        /// A factor on the gradient, from clipping.
        public let gradientScale: Double
        /// Instead of the optimizer's; nil for the optimizer's.
        public let weightDecay: Double?

        public init(range: Range<Int>, gradientScale: Double, weightDecay: Double? = nil) {
            self.range = range
            self.gradientScale = gradientScale
            self.weightDecay = weightDecay
        }
    }

    /// One step in place, of all parameters.
    ///
    /// - Parameters:
    ///   - gradient: of the mean loss, a vector of the same layout.
    ///   - gradientScale: a factor on it, from clipping.
    public func update(_ state: inout State, gradient: Tensor, learningRate: Double, gradientScale: Double = 1, pool: ThreadPool) {
        let all = Part(range: 0..<gradient.count, gradientScale: gradientScale)
        update(&state, gradient: gradient, learningRate: learningRate, parts: [all], pool: pool)
    }

    /// One step in place; parameters outside the parts stay.
    public func update(_ state: inout State, gradient: Tensor, learningRate: Double, parts: [Part], pool: ThreadPool) {
        precondition(gradient.count == state.weights.count, "gradient \(gradient.shape) for \(state.weights.shape) weights")
        state.step += 1
        let (step, current) = (Double(state.step), state)
        for part in parts {
            let coefficients = AdamWCoefficients(
                learningRate: Float(learningRate), beta1: Float(beta1), beta2: Float(beta2), epsilon: Float(epsilon),
                weightDecay: Float(part.weightDecay ?? weightDecay), correction1: Float(1 - pow(beta1, step)),
                correction2Root: Float((1 - pow(beta2, step)).squareRoot()), gradientScale: Float(part.gradientScale),
                emaDecay: Float(emaDecay))
            let tile = 1 << 16
            pool.parallel((part.range.count + tile - 1) / tile) { index in
                let start = part.range.lowerBound + index * tile
                adamWStep(
                    coefficients, gradient: gradient.pointer + start, weight: current.weights.pointer + start,
                    firstMoment: current.firstMoment.pointer + start, secondMoment: current.secondMoment.pointer + start,
                    ema: current.ema.pointer + start, count: min(tile, part.range.upperBound - start))
            }
        }
    }
}

/// The factor that brings a gradient's global L2 norm down to `limit`: min(1, limit/(norm + 1e-6)), as torch.nn.utils.clip_grad_norm_.
public func clippingFactor(norm: Double, limit: Double?) -> Double {
    guard let limit else { return 1 }
    return min(1, limit / (norm + 1e-6))
}

// The optimizer step and the weight average, one pass over memory.
internal import CFloat

/// The numbers of one AdamW step that are the same for every parameter.
package struct AdamWCoefficients: Sendable {
    package var learningRate: Float
    package var beta1: Float
    package var beta2: Float
    package var epsilon: Float
    package var weightDecay: Float
    /// 1 − β₁ᵗ and √(1 − β₂ᵗ) of step t = 1, 2, …
    package var correction1: Float
    package var correction2Root: Float
    /// Factor on the gradient, e.g. from clipping.
    package var gradientScale: Float
    package var emaDecay: Float

    package init(
        learningRate: Float, beta1: Float, beta2: Float, epsilon: Float, weightDecay: Float,
        correction1: Float, correction2Root: Float, gradientScale: Float, emaDecay: Float
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.correction1 = correction1
        self.correction2Root = correction2Root
        self.gradientScale = gradientScale
        self.emaDecay = emaDecay
    }
}

/// AdamW with decoupled weight decay, then ema ← decay·ema + (1 − decay)·weight.
@inline(never)
package func adamWStep(
    _ k: AdamWCoefficients, gradient: UnsafePointer<Float>, weight: UnsafeMutablePointer<Float>,
    firstMoment: UnsafeMutablePointer<Float>, secondMoment: UnsafeMutablePointer<Float>, ema: UnsafeMutablePointer<Float>,
    count: Int
) {
    let keep = 1 - k.learningRate * k.weightDecay
    let stepSize = k.learningRate / k.correction1
    let inverseRoot = 1 / k.correction2Root
    for i in 0..<count {
        let g = gradient[i] * k.gradientScale
        let m = relaxed_multiply_add(g - firstMoment[i], 1 - k.beta1, firstMoment[i])
        let v = relaxed_multiply_add(g * g - secondMoment[i], 1 - k.beta2, secondMoment[i])
        firstMoment[i] = m
        secondMoment[i] = v
        let denominator = relaxed_multiply_add(relaxed_sqrt(v), inverseRoot, k.epsilon)
        let w = relaxed_multiply_add(-stepSize, m / denominator, weight[i] * keep)
        weight[i] = w
        ema[i] = relaxed_multiply_add(w - ema[i], 1 - k.emaDecay, ema[i])
    }
}

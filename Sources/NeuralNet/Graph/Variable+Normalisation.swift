import TensorCore

extension Variable {
    /// Layer normalisation of the last axis with gain and bias `[D]`.
    public func layerNormalised(gain: Variable, bias: Variable, epsilon: Float) -> Variable {
        let (result, statistics) = value.layerNorm(gain: gain.value, bias: bias.value, epsilon: epsilon, pool: pool)
        return graph.operation(result, of: [self, gain, bias]) { [self] gradient in
            Variable.accumulatePair(gain, bias) { gainSink, biasSink in
                accumulate(
                    value.layerNormGradient(
                        gradient, gain: gain.value, statistics: statistics, gainGradient: gainSink, biasGradient: biasSink,
                        pool: pool))
            }
        }
    }

    /// Group normalisation of a channels-last value `[B, …, C]` over each group's channels and all positions of an image, with gain and bias
    /// `[C]` or, one row an image, `[B, C]`; then SiLU if asked, in the same pass.
    public func groupNormalised(groups: Int, gain: Variable, bias: Variable, epsilon: Float, silu: Bool) -> Variable {
        let norm = GroupNormalisation(shape: shape, groups: groups, epsilon: epsilon, silu: silu)
        let (result, statistics) = norm.forward(value, gain: gain.value, bias: bias.value, pool: pool)
        let again = { [self] in norm.forward(value, gain: gain.value, bias: bias.value, statistics: statistics, pool: pool) }
        return graph.operation(result, of: [self, gain, bias], again: again) { [self] gradient in
            Variable.accumulatePair(gain, bias) { gainSink, biasSink in
                accumulate(
                    norm.backward(
                        gradient, input: value, gain: gain.value, bias: bias.value, statistics: statistics, gainGradient: gainSink,
                        biasGradient: biasSink, pool: pool))
            }
        }
    }

    /// Root-mean-square normalisation of the last axis, x·(mean(x²) + ε)^(−1/2), times a gain `[D]`.
    public func rmsNormalised(gain: Variable, epsilon: Float) -> Variable {
        let (result, factors) = value.rmsNorm(gain: gain.value, epsilon: epsilon, pool: pool)
        return graph.operation(result, of: [self, gain]) { [self] gradient in
            // The gain's sink is taken even if nobody wants it: dx comes from the same pass.
            let sink = Tensor(uninitialised: gain.shape)
            accumulate(value.rmsNormGradient(gradient, gain: gain.value, factors: factors, gainGradient: sink, beta: 0, pool: pool))
            gain.accumulate(sink)
        }
    }

    /// Gives `body` zeroed sinks for the gradients of two values, then adds them.
    static func accumulatePair(_ a: Variable, _ b: Variable, _ body: (Tensor, Tensor) -> Void) {
        let (first, second) = (Tensor(zeros: a.shape), Tensor(zeros: b.shape))
        body(first, second)
        a.accumulate(first)
        b.accumulate(second)
    }

    /// SiLU, x·σ(x).
    public func silu() -> Variable {
        graph.operation(value.silu(pool: pool), of: [self]) { [self] gradient in
            accumulate(value.siluGradient(gradient, pool: pool))
        }
    }

    /// The exact GELU, x·Φ(x).
    public func gelu() -> Variable {
        graph.operation(value.gelu(pool: pool), of: [self]) { [self] gradient in
            accumulate(value.geluGradient(gradient, pool: pool))
        }
    }

    /// SiLU(self) ⊙ x: self is the gate of a SwiGLU layer.
    public func gating(_ x: Variable) -> Variable {
        precondition(shape == x.shape, "gate of shape \(shape) for \(x.shape)")
        return graph.operation(value.gating(x.value, pool: pool), of: [self, x]) { [self] gradient in
            let shares = value.gatingGradients(x.value, gradient, pool: pool)
            accumulate(shares.gate)
            x.accumulate(shares.x)
        }
    }
}

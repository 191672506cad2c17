import TensorCore

extension Variable {
    /// Mean and squares of every channel of `[B, …, C]` over the batch.
    public func batchStatistics() -> BatchStatistics {
        BatchNormalisation(shape: shape, epsilon: 0, slope: 1).statistics(of: value, pool: pool)
    }

    /// Batch normalisation of a channels-last value `[B, …, C]` by its own statistics, with gain and bias `[C]`; then a leaky ReLU in the same
    /// pass. Gradients pass through the statistics.
    ///
    /// - Parameters:
    ///   - statistics: what `batchStatistics` says of this value.
    ///   - slope: of the leaky ReLU for negative values; 1 for none.
    public func batchNormalised(_ statistics: BatchStatistics, gain: Variable, bias: Variable, epsilon: Float, slope: Float = 1) -> Variable {
        let norm = BatchNormalisation(shape: shape, epsilon: epsilon, slope: slope)
        return batchNormalised(norm, norm.scale(statistics), gain: gain, bias: bias)
    }

    /// The same by given statistics `[C]`, which are constants.
    public func batchNormalised(
        means: [Float], variances: [Float], gain: Variable, bias: Variable, epsilon: Float, slope: Float = 1
    ) -> Variable {
        let norm = BatchNormalisation(shape: shape, epsilon: epsilon, slope: slope)
        return batchNormalised(norm, norm.scale(means: means, variances: variances), gain: gain, bias: bias)
    }

    private func batchNormalised(_ norm: BatchNormalisation, _ scale: BatchNormalisation.Scale, gain: Variable, bias: Variable) -> Variable {
        let again = { [self] in norm.forward(value, gain: gain.value, bias: bias.value, scale: scale, pool: pool) }
        return graph.operation(again(), of: [self, gain, bias], again: again) { [self] gradient in
            Variable.accumulatePair(gain, bias) { gainSink, biasSink in
                accumulate(
                    norm.backward(
                        gradient, input: value, gain: gain.value, bias: bias.value, scale: scale, gainGradient: gainSink,
                        biasGradient: biasSink, pool: pool))
            }
        }
    }
}

import TensorCore

extension Variable {
    /// Leaky ReLU: x for x > 0, slope·x otherwise. The way back looks at the result, not at x, which can go.
    public func leakyReLU(slope: Float) -> Variable {
        precondition(slope > 0, "a leaky ReLU of slope \(slope), which must be positive")
        let result = value.leakyReLU(slope: slope, pool: pool)
        return graph.operation(result, passing: [self]) { [node, pool] gradient in
            node.accumulate(result.leakyReLUGradient(gradient, slope: slope, pool: pool))
        }
    }
}

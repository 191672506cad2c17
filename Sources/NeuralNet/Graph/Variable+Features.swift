import TensorCore

// What networks of rectified convolutions are made of, and the distance between their features.
extension Variable {
    /// ReLU of a convolution of a map `[B, H, W, C]` with weight `[outputs, kh, kw, C]` and bias `[outputs]`. Of the operation's values the
    /// graph keeps the result alone; the input too if the weight is learned.
    public func rectifiedConvolution(weight: Variable, bias: Variable, stride: Int = 1, padding: Int) -> Variable {
        let convolution = Convolution(stride: stride, padding: padding)
        let result = convolution.forward(value, weight: weight.value, bias: bias.value, pool: pool)
        result.rectifyInPlace(pool: pool)
        let input = weight.needsGradient ? self : nil
        return graph.operation(result, of: (input.map { [$0] } ?? []) + [weight, bias], passing: input == nil ? [self] : []) {
            [node, shape, pool] gradient in
            let share = result.rectifierGradient(gradient, pool: pool)
            if node.needsGradient { node.accumulate(convolution.inputGradient(share, weight: weight.value, shape: shape, pool: pool)) }
            if let input {
                weight.accumulate { sink, beta in
                    convolution.weightGradient(share, input: input.value, into: sink, beta: beta, pool: pool)
                }
            }
            bias.accumulate { sink, beta in share.columnSums(into: sink, beta: beta, pool: pool) }
        }
    }

    /// The largest of every 2×2 pixels, stride 2: `[B, H, W, C]` → `[B, ⌊H/2⌋, ⌊W/2⌋, C]`.
    public func maxPooled() -> Variable {
        graph.operation(value.maxPooled(pool: pool), of: [self]) { [self] gradient in
            accumulate(value.maxPoolGradient(gradient, pool: pool))
        }
    }

    /// x · factor + offset over the last axis, `[C]` both, constants.
    public func affine(factor: Tensor, offset: Tensor) -> Variable {
        graph.operation(value.affine(factor: factor, offset: offset, pool: pool), passing: [self]) { [node, pool] gradient in
            node.accumulate(gradient.multiplyingRows(by: factor, pool: pool))
        }
    }

    /// How far the directions of two maps' pixels lie apart: the mean over an image's pixels of Σ_c weights[c]·(u_c − v_c)² with
    /// u = x/(‖x‖ + ε), v the same of the target; `[B, …, C]` → `[B]`. Gradient to x only, zero where x is zero.
    public func unitDistance(to target: Tensor, weights: Tensor, epsilon: Float) -> Variable {
        let result = value.unitDistance(to: target, weights: weights, epsilon: epsilon, pool: pool)
        return graph.operation(result, of: [self]) { [self] gradient in
            accumulate(value.unitDistanceGradient(gradient, to: target, weights: weights, epsilon: epsilon, pool: pool))
        }
    }
}

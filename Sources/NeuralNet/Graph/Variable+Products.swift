import TensorCore

extension Variable {
    /// y = x·Wᵀ + b over the last axis: weight `[outputs, inputs]`, bias `[outputs]`.
    public func linear(weight: Variable, bias: Variable?) -> Variable {
        recordLinear(value.linear(weight: weight.value, bias: bias?.value, pool: pool), weight: weight, bias: bias)
    }

    /// y of `linear` together with GELU(y), made in one pass.
    public func linearGELU(weight: Variable, bias: Variable?) -> Activated {
        let (y, activation) = value.linearGELU(weight: weight.value, bias: bias?.value, pool: pool)
        return Activated(recordLinear(y, weight: weight, bias: bias), gelu: activation)
    }

    private func recordLinear(_ result: Tensor, weight: Variable, bias: Variable?) -> Variable {
        graph.operation(result, of: [self, weight] + (bias.map { [$0] } ?? [])) { [self] gradient in
            if needsGradient { accumulate(gradient.linearInputGradient(weight: weight.value, pool: pool)) }
            weight.accumulate { sink, beta in
                gradient.linearWeightGradient(input: self.value, into: sink, beta: beta, pool: self.pool)
            }
            bias?.accumulate { sink, beta in gradient.columnSums(into: sink, beta: beta, pool: self.pool) }
        }
    }

    /// Convolution of a map `[B, H, W, C]` with weight `[outputs, kh, kw, C]` and bias `[outputs]`, symmetric zero padding.
    public func convolved(weight: Variable, bias: Variable?, stride: Int, padding: Int, adding residual: Variable? = nil) -> Variable {
        let convolution = Convolution(stride: stride, padding: padding)
        let result = convolution.forward(value, weight: weight.value, bias: bias?.value, residual: residual?.value, pool: pool)
        return graph.operation(result, of: [self, weight] + (bias.map { [$0] } ?? []), passing: residual.map { [$0] } ?? []) {
            [self, residual = residual?.node] gradient in
            residual?.accumulate(gradient)
            if needsGradient {
                accumulate(convolution.inputGradient(gradient, weight: weight.value, shape: shape, pool: pool))
            }
            weight.accumulate { sink, beta in
                convolution.weightGradient(gradient, input: self.value, into: sink, beta: beta, pool: self.pool)
            }
            bias?.accumulate { sink, beta in gradient.columnSums(into: sink, beta: beta, pool: self.pool) }
        }
    }

    /// Depthwise 3×3 convolution, padding 1, of a map `[B, H, W, C]` with weight `[3, 3, C]` and bias `[C]`.
    public func depthwiseConvolved(weight: Variable, bias: Variable) -> Variable {
        let result = value.depthwise(weight: weight.value, bias: bias.value, pool: pool)
        return graph.operation(result, of: [self, weight, bias]) { [self] gradient in
            if needsGradient { accumulate(gradient.depthwise(weight: weight.value, bias: nil, flipped: true, pool: pool)) }
            weight.accumulate { sink, beta in
                gradient.depthwiseWeightGradient(input: self.value, into: sink, beta: beta, pool: self.pool)
            }
            bias.accumulate { sink, beta in gradient.columnSums(into: sink, beta: beta, pool: self.pool) }
        }
    }

    /// `[B, H, W, 4C]` → `[B, 2H, 2W, C]`, DCR order (spec 4.2).
    public func depthToSpace() -> Variable {
        graph.operation(value.depthToSpace(pool: pool), passing: [self]) { [node, pool] gradient in
            node.accumulate(gradient.depthToSpace(inverse: true, pool: pool))
        }
    }

    /// Scores of every query against every key, factor · q·kᵀ: `[B, L, D]` and keys `[B, K, D]` → `[B, L, K]`.
    public func scores(against keys: Variable, factor: Float) -> Variable {
        let (batch, queries, count, width) = (shape[0], shape[1], keys.shape[1], shape[2])
        precondition(keys.shape[0] == batch && keys.shape[2] == width, "scores of \(shape) against \(keys.shape)")
        let result = Tensor(uninitialised: [batch, queries, count])
        for image in 0..<batch {
            multiply(
                MatrixOperand(value.pointer + image * queries * width, stride: width),
                MatrixOperand(keys.value.pointer + image * count * width, stride: width, transposed: true),
                into: result.pointer + image * queries * count, stride: count, rows: queries, columns: count, depth: width,
                alpha: factor, pool: pool)
        }
        return graph.operation(result, of: [self, keys]) { [self] gradient in
            let queryShare = Tensor(uninitialised: shape)
            let keyShare = Tensor(uninitialised: keys.shape)
            for image in 0..<batch {
                let ds = gradient.pointer + image * queries * count
                multiply(
                    MatrixOperand(ds, stride: count), MatrixOperand(keys.value.pointer + image * count * width, stride: width),
                    into: queryShare.pointer + image * queries * width, stride: width, rows: queries, columns: width,
                    depth: count, alpha: factor, pool: pool)
                multiply(
                    MatrixOperand(ds, stride: count, transposed: true),
                    MatrixOperand(value.pointer + image * queries * width, stride: width),
                    into: keyShare.pointer + image * count * width, stride: width, rows: count, columns: width,
                    depth: queries, alpha: factor, pool: pool)
            }
            accumulate(queryShare)
            keys.accumulate(keyShare)
        }
    }
}

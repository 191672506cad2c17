import Kernels

extension Tensor {
    /// The shape with another last axis.
    private func shape(last: Int) -> Shape {
        var extents = shape.array
        extents[extents.count - 1] = last
        return Shape(extents)
    }

    /// y = x · Wᵀ + b over the last axis: x `[…, inputs]`, weight `[outputs, inputs]`, bias `[outputs]`.
    package func linear(weight: Tensor, bias: Tensor?, pool: ThreadPool) -> Tensor {
        linear(weight: weight, bias: bias, pool: pool, finish: nil)
    }

    /// y of `linear`, and GELU(y): bias and activation are one pass over the product's tiles while they are in cache.
    package func linearGELU(weight: Tensor, bias: Tensor?, pool: ThreadPool) -> (y: Tensor, activation: Tensor) {
        let outputs = weight.shape[0]
        let activation = Tensor(uninitialised: shape(last: outputs))
        let y = linear(weight: weight, bias: bias, pool: pool) { y, tile in
            for row in tile.rows {
                let start = row * outputs + tile.columns.lowerBound
                Kernels.gelu(y + start, into: activation.pointer + start, count: tile.columns.count)
            }
        }
        return (y, activation)
    }

    private func linear(
        weight: Tensor, bias: Tensor?, pool: ThreadPool, finish: ((UnsafeMutablePointer<Float>, ProductTile) -> Void)?
    ) -> Tensor {
        let inputs = shape[-1]
        let outputs = weight.shape[0]
        precondition(weight.shape[1] == inputs, "linear layer of shape \(weight.shape) on input \(shape)")
        let out = Tensor(uninitialised: shape(last: outputs))
        multiply(
            MatrixOperand(pointer, stride: inputs), MatrixOperand(weight.pointer, stride: inputs, transposed: true),
            into: out.pointer, stride: outputs, rows: count / max(inputs, 1), columns: outputs, depth: inputs, pool: pool
        ) { tile in
            if let bias {
                addRow(
                    bias.pointer + tile.columns.lowerBound, to: out.pointer + tile.rows.lowerBound * outputs + tile.columns.lowerBound,
                    stride: outputs, rows: tile.rows.count, columns: tile.columns.count)
            }
            finish?(out.pointer, tile)
        }
        return out
    }

    /// dx = dy · W, where self is dy `[…, outputs]`.
    package func linearInputGradient(weight: Tensor, pool: ThreadPool) -> Tensor {
        linearInputGradient(weight: weight, pool: pool, finish: nil)
    }

    /// What the backward pass of y = GELU(x)·Wᵀ needs, where self is dy `[…, outputs]`: dx = (dy·W) ⊙ GELU′(x) and, again, GELU(x). Both come
    /// from one pass over the tiles of dy·W while they are in cache.
    package func geluLinearInputGradient(weight: Tensor, input: Tensor, pool: ThreadPool) -> (dx: Tensor, activation: Tensor) {
        let inputs = weight.shape[1]
        let activation = Tensor(uninitialised: input.shape)
        let dx = linearInputGradient(weight: weight, pool: pool) { dx, tile in
            for row in tile.rows {
                let start = row * inputs + tile.columns.lowerBound
                geluBackwardInPlace(
                    input.pointer + start, gradient: dx + start, activation: activation.pointer + start, count: tile.columns.count)
            }
        }
        precondition(dx.count == input.count, "gradient \(shape) of a linear layer \(weight.shape) on \(input.shape)")
        return (dx, activation)
    }

    private func linearInputGradient(
        weight: Tensor, pool: ThreadPool, finish: ((UnsafeMutablePointer<Float>, ProductTile) -> Void)?
    ) -> Tensor {
        let (outputs, inputs) = (weight.shape[0], weight.shape[1])
        let out = Tensor(uninitialised: shape(last: inputs))
        multiply(
            MatrixOperand(pointer, stride: outputs), MatrixOperand(weight.pointer, stride: inputs),
            into: out.pointer, stride: inputs, rows: count / max(outputs, 1), columns: inputs, depth: outputs, pool: pool
        ) { finish?(out.pointer, $0) }
        return out
    }

    /// dW (+)= dyᵀ · x, where self is dy `[…, outputs]`; `beta` 0 overwrites `sink [outputs, inputs]`, 1 adds to it.
    package func linearWeightGradient(input: Tensor, into sink: Tensor, beta: Float, pool: ThreadPool) {
        let outputs = shape[-1]
        let inputs = input.shape[-1]
        let rows = count / max(outputs, 1)
        precondition(input.count == rows * inputs && sink.count == outputs * inputs, "gradient of \(sink.shape) from \(shape) and \(input.shape)")
        multiply(
            MatrixOperand(pointer, stride: outputs, transposed: true), MatrixOperand(input.pointer, stride: inputs),
            into: sink.pointer, stride: inputs, rows: outputs, columns: inputs, depth: rows, beta: beta, pool: pool)
    }

    /// sink[c] (+)= Σ over rows of the last axis; about 64 rows a partial sum, partial sums added in order.
    package func columnSums(into sink: Tensor, beta: Float, pool: ThreadPool) {
        let columns = shape[-1]
        let blocks = Partition(count / max(columns, 1), about: 64)
        precondition(sink.count == columns, "column sums of \(shape) into \(sink.shape)")
        if beta == 0 { sink.fillInPlace(0) }
        Storage.withScratch(max(blocks.parts, 1) * columns) { partial in
            pool.parallel(blocks.parts) { index in
                let rows = blocks[index]
                let sum = partial + index * columns
                sum.update(repeating: 0, count: columns)
                accumulateColumnSums(pointer + rows.lowerBound * columns, into: sum, rows: rows.count, columns: columns)
            }
            accumulateColumnSums(partial, into: sink.pointer, rows: blocks.parts, columns: columns)
        }
    }
}

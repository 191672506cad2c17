internal import CBLAS
import Kernels

/// A matrix operand: rows of `stride` floats from `pointer`, used as it stands or transposed.
package struct MatrixOperand {
    let pointer: UnsafePointer<Float>
    let stride: Int
    let transposed: Bool

    package init(_ pointer: UnsafePointer<Float>, stride: Int, transposed: Bool = false) {
        self.pointer = pointer
        self.stride = stride
        self.transposed = transposed
    }

    /// The operand from row `row` and column `column` of the matrix as used.
    func at(row: Int, column: Int) -> UnsafePointer<Float> {
        transposed ? pointer + column * stride + row : pointer + row * stride + column
    }
}

/// One single-threaded BLAS call: out[rows, columns] = alpha · a · b + beta · out.
package func multiply(
    _ a: MatrixOperand, _ b: MatrixOperand, into out: UnsafeMutablePointer<Float>, stride: Int,
    rows: Int, columns: Int, depth: Int, alpha: Float = 1, beta: Float = 0
) {
    guard rows > 0, columns > 0 else { return }
    cblas_sgemm(
        CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans, b.transposed ? CblasTrans : CblasNoTrans,
        blasint(rows), blasint(columns), blasint(depth), alpha, a.pointer, blasint(a.stride), b.pointer, blasint(b.stride),
        beta, out, blasint(stride))
}

/// The same product cut into output tiles of fixed shape that the pool's threads take.
package func multiply(
    _ a: MatrixOperand, _ b: MatrixOperand, into out: UnsafeMutablePointer<Float>, stride: Int,
    rows: Int, columns: Int, depth: Int, alpha: Float = 1, beta: Float = 0, pool: ThreadPool
) {
    let tileRows = 128
    let tileColumns = 512
    let across = (columns + tileColumns - 1) / tileColumns
    let down = (rows + tileRows - 1) / tileRows
    pool.parallel(down * across) { tile in
        let row = tile / across * tileRows
        let column = tile % across * tileColumns
        multiply(
            MatrixOperand(a.at(row: row, column: 0), stride: a.stride, transposed: a.transposed),
            MatrixOperand(b.at(row: 0, column: column), stride: b.stride, transposed: b.transposed),
            into: out + row * stride + column, stride: stride, rows: min(tileRows, rows - row),
            columns: min(tileColumns, columns - column), depth: depth, alpha: alpha, beta: beta)
    }
}

extension Tensor {
    /// y = x · Wᵀ + b over the last axis: x `[…, inputs]`, weight `[outputs, inputs]`, bias `[outputs]`.
    package func linear(weight: Tensor, bias: Tensor?, pool: ThreadPool) -> Tensor {
        let inputs = shape[-1]
        let outputs = weight.shape[0]
        precondition(weight.shape[1] == inputs, "linear layer of shape \(weight.shape) on input \(shape)")
        let rows = count / max(inputs, 1)
        var extents = shape.array
        extents[extents.count - 1] = outputs
        let out = Tensor(uninitialised: Shape(extents))
        if let bias { fillRows(bias.pointer, into: out.pointer, rows: rows, columns: outputs) }
        multiply(
            MatrixOperand(pointer, stride: inputs), MatrixOperand(weight.pointer, stride: inputs, transposed: true),
            into: out.pointer, stride: outputs, rows: rows, columns: outputs, depth: inputs, beta: bias == nil ? 0 : 1, pool: pool)
        return out
    }

    /// dx = dy · W, where self is dy `[…, outputs]`.
    package func linearInputGradient(weight: Tensor, pool: ThreadPool) -> Tensor {
        let outputs = weight.shape[0]
        let inputs = weight.shape[1]
        let rows = count / max(outputs, 1)
        var extents = shape.array
        extents[extents.count - 1] = inputs
        let out = Tensor(uninitialised: Shape(extents))
        multiply(
            MatrixOperand(pointer, stride: outputs), MatrixOperand(weight.pointer, stride: inputs),
            into: out.pointer, stride: inputs, rows: rows, columns: inputs, depth: outputs, pool: pool)
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

    /// sink[c] (+)= Σ over rows of the last axis; 256 rows a partial sum, partial sums added in order.
    package func columnSums(into sink: Tensor, beta: Float, pool: ThreadPool) {
        let columns = shape[-1]
        let rows = count / max(columns, 1)
        precondition(sink.count == columns, "column sums of \(shape) into \(sink.shape)")
        let block = 256
        let blocks = (rows + block - 1) / block
        if beta == 0 { sink.fillInPlace(0) }
        Storage.withScratch(max(blocks, 1) * columns) { partial in
            partial.update(repeating: 0, count: blocks * columns)
            pool.parallel(blocks) { index in
                accumulateColumnSums(
                    pointer + index * block * columns, into: partial + index * columns,
                    rows: min(block, rows - index * block), columns: columns)
            }
            accumulateColumnSums(partial, into: sink.pointer, rows: blocks, columns: columns)
        }
    }
}

import Kernels

/// Multi-head attention softmax(q·kᵀ/√d + bias)·v over packed projections: heads lie side by side in a row of `heads · headWidth` floats.
/// The probabilities are not kept; the backward pass makes them again from the rows' log-sum-exp.
package struct Attention: Sendable {
    package let heads: Int
    package let headWidth: Int

    package init(heads: Int, headWidth: Int) {
        self.heads = heads
        self.headWidth = headWidth
    }

    var width: Int { heads * headWidth }
    var factor: Float { 1 / Float(headWidth).squareRoot() }

    /// Where one of q, k, v lies: the columns from `column` of a tensor `[B, t, columns]`.
    package struct Operand {
        let tensor: Tensor
        let column: Int

        package init(_ tensor: Tensor, column: Int = 0) {
            self.tensor = tensor
            self.column = column
        }

        var stride: Int { tensor.shape[2] }
        var length: Int { tensor.shape[1] }

        func pointer(batch: Int, offset: Int) -> UnsafeMutablePointer<Float> {
            tensor.pointer + batch * length * stride + column + offset
        }
    }

    /// - Parameters:
    ///   - keyBias: added to every score of a key before the softmax, `[B, keys]`: log of the token size in proportional attention (eq. 14).
    /// - Returns: the heads' outputs side by side `[B, queries, heads · headWidth]`, and the log-sum-exp of every score row `[B, heads, queries]`.
    package func forward(q: Operand, k: Operand, v: Operand, keyBias: Tensor?, pool: ThreadPool) -> (Tensor, logSums: Tensor) {
        let (batch, queries, keys) = (q.tensor.shape[0], q.length, k.length)
        precondition(v.length == keys && k.tensor.shape[0] == batch, "attention of \(q.tensor.shape) on \(k.tensor.shape), \(v.tensor.shape)")
        let out = Tensor(uninitialised: [batch, queries, width])
        let logSums = Tensor(uninitialised: [batch, heads, queries])
        pool.parallel(batch * heads) { unit in
            let (image, head) = (unit / heads, unit % heads)
            let offset = head * headWidth
            Storage.withScratch(queries * keys) { scores in
                self.scores(q, k, image: image, offset: offset, into: scores)
                for row in 0..<queries {
                    logSums.pointer[unit * queries + row] = softmaxRow(
                        scores + row * keys, factor: factor, bias: keyBias.map { UnsafePointer($0.pointer + image * keys) }, count: keys)
                }
                multiply(
                    MatrixOperand(scores, stride: keys), MatrixOperand(v.pointer(batch: image, offset: offset), stride: v.stride),
                    into: out.pointer + image * queries * width + offset, stride: width, rows: queries, columns: headWidth, depth: keys)
            }
        }
        return (out, logSums)
    }

    /// Gradients of q, k and v from that of the output, `dy [B, queries, heads · headWidth]`, written over the operands `dq`, `dk`, `dv`.
    package func backward(
        _ dy: Tensor, q: Operand, k: Operand, v: Operand, keyBias: Tensor?, logSums: Tensor,
        dq: Operand, dk: Operand, dv: Operand, pool: ThreadPool
    ) {
        let (batch, queries, keys) = (q.tensor.shape[0], q.length, k.length)
        pool.parallel(batch * heads) { unit in
            let (image, head) = (unit / heads, unit % heads)
            let offset = head * headWidth
            let dOut = MatrixOperand(dy.pointer + image * queries * width + offset, stride: width)
            Storage.withScratch(2 * queries * keys) { scratch in
                let p = scratch
                let ds = scratch + queries * keys
                self.scores(q, k, image: image, offset: offset, into: p)
                for row in 0..<queries {
                    softmaxRowAgain(
                        p + row * keys, factor: factor, bias: keyBias.map { UnsafePointer($0.pointer + image * keys) },
                        logSum: logSums.pointer[unit * queries + row], count: keys)
                }
                multiply(
                    MatrixOperand(p, stride: keys, transposed: true), dOut, into: dv.pointer(batch: image, offset: offset),
                    stride: dv.stride, rows: keys, columns: headWidth, depth: queries)
                multiply(
                    dOut, MatrixOperand(v.pointer(batch: image, offset: offset), stride: v.stride, transposed: true), into: ds,
                    stride: keys, rows: queries, columns: keys, depth: headWidth)
                for row in 0..<queries {
                    softmaxRowBackward(probabilities: p + row * keys, gradient: ds + row * keys, factor: factor, count: keys)
                }
                multiply(
                    MatrixOperand(ds, stride: keys), MatrixOperand(k.pointer(batch: image, offset: offset), stride: k.stride),
                    into: dq.pointer(batch: image, offset: offset), stride: dq.stride, rows: queries, columns: headWidth, depth: keys)
                multiply(
                    MatrixOperand(ds, stride: keys, transposed: true),
                    MatrixOperand(q.pointer(batch: image, offset: offset), stride: q.stride),
                    into: dk.pointer(batch: image, offset: offset), stride: dk.stride, rows: keys, columns: headWidth, depth: queries)
            }
        }
    }

    private func scores(_ q: Operand, _ k: Operand, image: Int, offset: Int, into scores: UnsafeMutablePointer<Float>) {
        multiply(
            MatrixOperand(q.pointer(batch: image, offset: offset), stride: q.stride),
            MatrixOperand(k.pointer(batch: image, offset: offset), stride: k.stride, transposed: true),
            into: scores, stride: k.length, rows: q.length, columns: k.length, depth: headWidth)
    }
}

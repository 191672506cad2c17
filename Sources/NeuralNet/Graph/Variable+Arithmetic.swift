import TensorCore

extension Variable {
    /// Elementwise sum of two values of the same shape.
    public static func + (a: Variable, b: Variable) -> Variable {
        precondition(a.shape == b.shape, "sum of \(a.shape) and \(b.shape)")
        return a.graph.operation(a.value.adding(b.value, pool: a.pool), passing: [a, b]) { [a = a.node, b = b.node] gradient in
            a.accumulate(gradient)
            b.accumulate(gradient)
        }
    }

    /// Every element times a number.
    public func scaled(by factor: Float) -> Variable {
        graph.operation(value.scaled(by: factor, pool: pool), passing: [self]) { [node, pool] gradient in
            node.accumulate(gradient.scaled(by: factor, pool: pool))
        }
    }

    /// Every element times its factor: dropout.
    public func multiplied(by factors: DropoutFactors) -> Variable {
        graph.operation(value.multiplyingElements(by: factors, pool: pool), passing: [self]) { [node, pool] gradient in
            node.accumulate(gradient.multiplyingElements(by: factors, pool: pool))
        }
    }

    /// x + branch ⊙ factors: a residual connection with dropout on its branch.
    public func adding(_ branch: Variable, dropout factors: DropoutFactors) -> Variable {
        precondition(shape == branch.shape, "sum of \(shape) and \(branch.shape)")
        return graph.operation(value.adding(branch.value, times: factors, pool: pool), passing: [self, branch]) {
            [node, branch = branch.node, pool] gradient in
            node.accumulate(gradient)
            branch.accumulate(gradient.multiplyingElements(by: factors, pool: pool))
        }
    }

    /// Every element times that of a constant of the same shape.
    public func multiplied(by factors: Tensor) -> Variable {
        precondition(factors.shape == shape, "factors of shape \(factors.shape) for \(shape)")
        return graph.operation(value.multiplyingElements(by: factors, pool: pool), passing: [self]) { [node, pool] gradient in
            node.accumulate(gradient.multiplyingElements(by: factors, pool: pool))
        }
    }

    /// The same elements under another shape.
    public func reshaped(_ shape: Shape) -> Variable {
        graph.operation(value.reshaped(shape), passing: [self]) { [node] gradient in
            node.accumulate(gradient.reshaped(node.shape))
        }
    }

    /// x + gain ⊙ branch over the last axis: LayerScale and residual connection (spec 2.4).
    public func addingScaled(_ branch: Variable, gain: Variable) -> Variable {
        let result = value.addingScaled(branch.value, gain: gain.value, pool: pool)
        return graph.operation(result, of: [branch, gain], passing: [self]) { [node, pool] gradient in
            node.accumulate(gradient)
            branch.accumulate(gradient.multiplyingRows(by: gain.value, pool: pool))
            gain.accumulate { sink, beta in gradient.columnDots(branch.value, into: sink, beta: beta, pool: pool) }
        }
    }

    /// A row `[columns]` (or `[1, …, columns]`) repeated for every image: `[batch, rows, columns]` from `[rows · columns]`.
    public func repeated(batch: Int, rows: Int) -> Variable {
        let columns = value.count / rows
        let result = Tensor(uninitialised: [batch, rows, columns])
        for image in 0..<batch { result.slice(from: image * value.count, value.shape).copyInPlace(from: value) }
        return graph.operation(result, passing: [self]) { [node, pool] gradient in
            node.accumulate { sink, beta in
                if beta == 0 { sink.fillInPlace(0) }
                for image in 0..<batch { sink.accumulateInPlace(gradient.slice(from: image * sink.count, sink.shape), pool: pool) }
            }
        }
    }

    /// Sequences one after the other along the middle axis: `[B, s, D]` and `[B, t, D]` → `[B, s + t, D]`.
    public func followed(by other: Variable) -> Variable {
        let (batch, first, second, width) = (shape[0], shape[1], other.shape[1], shape[2])
        precondition(other.shape[0] == batch && other.shape[2] == width, "concatenation of \(shape) and \(other.shape)")
        let result = Tensor(uninitialised: [batch, first + second, width])
        for image in 0..<batch {
            result.slice(from: image * (first + second) * width, [first, width])
                .copyInPlace(from: value.slice(from: image * first * width, [first, width]))
            result.slice(from: (image * (first + second) + first) * width, [second, width])
                .copyInPlace(from: other.value.slice(from: image * second * width, [second, width]))
        }
        return graph.operation(result, passing: [self, other]) { [node, other = other.node] gradient in
            node.accumulate(Variable.rows(gradient, from: 0, count: first))
            other.accumulate(Variable.rows(gradient, from: first, count: second))
        }
    }

    /// Columns `range` of the last axis: `[…, D]` → `[…, range.count]`.
    public func columns(_ range: Range<Int>) -> Variable {
        let width = shape[-1]
        precondition(range.lowerBound >= 0 && range.upperBound <= width && !range.isEmpty, "columns \(range) of \(shape)")
        let rows = value.count / width
        let result = Tensor(uninitialised: Shape(shape.array.dropLast() + [range.count]))
        for row in 0..<rows {
            (result.pointer + row * range.count).update(from: value.pointer + (row * width + range.lowerBound), count: range.count)
        }
        return graph.operation(result, passing: [self]) { [node] gradient in
            let share = Tensor(zeros: node.shape)
            for row in 0..<rows {
                (share.pointer + (row * width + range.lowerBound)).update(from: gradient.pointer + row * range.count, count: range.count)
            }
            node.accumulate(share)
        }
    }

    /// Rows `start ..< start + count` of the middle axis of `[B, t, D]`.
    public func rows(from start: Int, count: Int) -> Variable {
        graph.operation(Variable.rows(value, from: start, count: count), passing: [self]) { [node] gradient in
            let shape = node.shape
            let width = shape[2]
            let share = Tensor(zeros: shape)
            for image in 0..<shape[0] {
                share.slice(from: (image * shape[1] + start) * width, [count, width])
                    .copyInPlace(from: gradient.slice(from: image * count * width, [count, width]))
            }
            node.accumulate(share)
        }
    }

    private static func rows(_ x: Tensor, from start: Int, count: Int) -> Tensor {
        let width = x.shape[2]
        let result = Tensor(uninitialised: [x.shape[0], count, width])
        for image in 0..<x.shape[0] {
            result.slice(from: image * count * width, [count, width])
                .copyInPlace(from: x.slice(from: (image * x.shape[1] + start) * width, [count, width]))
        }
        return result
    }
}

import Kernels
import TensorCore

#if canImport(Glibc)
import Glibc
#endif

extension Variable {
    /// mean |x − target| over all elements: the L1 reconstruction loss (spec 5).
    public func meanAbsoluteError(to target: Tensor) -> Variable {
        precondition(target.count == value.count, "L1 of \(shape) and \(target.shape)")
        let block = 4096
        let blocks = (value.count + block - 1) / block
        let partial = Tensor(uninitialised: [blocks])
        pool.parallel(blocks) { index in
            let start = index * block
            partial.pointer[index] = sumOfAbsoluteDifferences(
                value.pointer + start, target.pointer + start, count: min(block, value.count - start))
        }
        let total = partial.elements.reduce(0.0) { $0 + Double($1) }
        let mean = Tensor([Float(total / Double(value.count))], [1])
        return graph.operation(mean, of: [self]) { [self] gradient in
            let step = gradient.scalar / Float(value.count)
            let share = Tensor(uninitialised: shape)
            pool.parallel(blocks) { index in
                let start = index * block
                signOfDifferences(
                    value.pointer + start, target.pointer + start, times: step, into: share.pointer + start,
                    count: min(block, value.count - start))
            }
            accumulate(share)
        }
    }

    /// mean (x − target)² over all elements: the L2 reconstruction loss (spec 5).
    public func meanSquaredError(to target: Tensor) -> Variable {
        precondition(target.count == value.count, "L2 of \(shape) and \(target.shape)")
        let difference = value.adding(target.scaled(by: -1, pool: pool), pool: pool)
        let mean = Tensor([Float(difference.sumOfSquares(pool: pool) / Double(value.count))], [1])
        return graph.operation(mean, passing: [self]) { [node, pool] gradient in
            node.accumulate(difference.scaled(by: 2 * gradient.scalar / Float(difference.count), pool: pool))
        }
    }

    /// mean over rows of −log softmax(row)[target]: categorical cross-entropy of scores `[…, classes]` with one class index a row.
    public func crossEntropy(targets: [Int32]) -> Variable {
        let classes = shape[-1]
        let rows = value.count / classes
        precondition(targets.count == rows, "\(targets.count) targets for scores of shape \(shape)")
        let probabilities = value.copied()
        var total = 0.0
        for row in 0..<rows {
            let score = value.pointer[row * classes + Int(targets[row])]
            total += Double(softmaxRow(probabilities.pointer + row * classes, factor: 1, bias: nil, count: classes) - score)
        }
        return graph.operation(Tensor([Float(total / Double(rows))], [1]), of: [self]) { [self] gradient in
            for row in 0..<rows { probabilities.pointer[row * classes + Int(targets[row])] -= 1 }
            accumulate(probabilities.scaled(by: gradient.scalar / Float(rows), pool: pool))
        }
    }

    /// mean over rows of −log p[target] − Σ_{others} log(1 − p), p = softmax(row) within 10⁻⁶ … 1 − 10⁻⁶: the binary cross-entropy of every class
    /// (eq. 9 as printed, spec 4.4), of scores `[…, classes]` with one class index a row. Where p is at a bound it has no gradient.
    public func binaryCrossEntropy(targets: [Int32]) -> Variable {
        let classes = shape[-1]
        let rows = value.count / classes
        precondition(targets.count == rows, "\(targets.count) targets for scores of shape \(shape)")
        let scores = value.elements
        let bound = 1e-6
        var total = 0.0
        // dL/dscore of a row, before it is divided by the rows.
        let slopes = Tensor(uninitialised: shape)
        for row in 0..<rows {
            let start = row * classes
            let largest = Double(scores[start..<(start + classes)].max() ?? 0)
            let powers = (0..<classes).map { exp(Double(scores[start + $0]) - largest) }
            let sum = powers.reduce(0, +)
            let probabilities = powers.map { $0 / sum }
            let byProbability = probabilities.enumerated().map { index, p -> Double in
                let clamped = min(max(p, bound), 1 - bound)
                let isTarget = index == Int(targets[row])
                total -= isTarget ? log(clamped) : log1p(-clamped)
                guard clamped == p else { return 0 }
                return isTarget ? -1 / p : 1 / (1 - p)
            }
            let mean = zip(byProbability, probabilities).reduce(0) { $0 + $1.0 * $1.1 }
            for index in 0..<classes { slopes.pointer[start + index] = Float(probabilities[index] * (byProbability[index] - mean)) }
        }
        return graph.operation(Tensor([Float(total / Double(rows))], [1]), passing: [self]) { [node, pool] gradient in
            node.accumulate(slopes.scaled(by: gradient.scalar / Float(rows), pool: pool))
        }
    }

    /// Σ weight · loss of scalars: the total that training goes back from.
    public static func weightedSum(_ terms: [(weight: Float, loss: Variable)]) -> Variable {
        precondition(!terms.isEmpty, "a total needs at least one loss")
        let total = terms.reduce(Float(0)) { $0 + $1.weight * $1.loss.value.scalar }
        return terms[0].loss.graph.operation(Tensor([total], [1]), of: terms.map(\.loss)) { gradient in
            for term in terms { term.loss.accumulate(Tensor([gradient.scalar * term.weight], [1])) }
        }
    }

    /// Σ x ⊙ weights: a scalar from any value; for tests and for gradients along a given direction.
    public func inner(_ weights: Tensor) -> Variable {
        precondition(weights.count == value.count, "inner product of \(shape) and \(weights.shape)")
        let total = Tensor([dot(value.pointer, weights.pointer, count: value.count)], [1])
        return graph.operation(total, of: [self]) { [self] gradient in
            accumulate(weights.scaled(by: gradient.scalar, pool: pool))
        }
    }
}

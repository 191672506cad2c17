import Kernels
import TensorCore

extension Variable {
    /// Cross-entropy of scores `[…, classes]` with smoothed labels, one class index a row: the mean over rows of
    /// (1 − ε)·(−log p[target]) + ε·mean over classes of −log p, p = softmax(row). Beside it the same without smoothing, in nats, which is what
    /// a log should show.
    public func crossEntropy(targets: [Int32], smoothing: Float) -> (loss: Variable, negativeLogLikelihood: Double) {
        let classes = shape[-1]
        let rows = value.count / classes
        precondition(targets.count == rows, "\(targets.count) targets for scores of shape \(shape)")
        precondition(targets.allSatisfy { $0 >= 0 && $0 < classes }, "a target outside \(classes) classes")
        // dL/dscore of a row, before it is divided by the rows.
        let slopes = value.copied()
        let (likelihoods, means) = (Tensor(uninitialised: [rows]), Tensor(uninitialised: [rows]))
        let rowsAtOnce = 16
        pool.parallel((rows + rowsAtOnce - 1) / rowsAtOnce) { block in
            for row in (block * rowsAtOnce)..<min((block + 1) * rowsAtOnce, rows) {
                let scores = value.pointer + row * classes
                let slope = slopes.pointer + row * classes
                let logSum = softmaxRow(slope, factor: 1, bias: nil, count: classes)
                likelihoods.pointer[row] = logSum - scores[Int(targets[row])]
                means.pointer[row] = logSum - sum(scores, count: classes) / Float(classes)
                if smoothing > 0 {
                    let floor = smoothing / Float(classes)
                    for index in 0..<classes { slope[index] -= floor }
                }
                slope[Int(targets[row])] -= 1 - smoothing
            }
        }
        func mean(_ values: Tensor) -> Double { values.elements.reduce(0.0) { $0 + Double($1) } / Double(rows) }
        let likelihood = mean(likelihoods)
        let total = smoothing == 0 ? likelihood : (1 - Double(smoothing)) * likelihood + Double(smoothing) * mean(means)
        let loss = graph.operation(Tensor([Float(total)], [1]), passing: [self]) { [node, pool] gradient in
            node.accumulate(slopes.scaled(by: gradient.scalar / Float(rows), pool: pool))
        }
        return (loss, likelihood)
    }
}

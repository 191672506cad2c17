import Kernels
import TensorCore

extension Variable {
    /// Rows of a table `[rows, D]`: `[batch, indices.count / batch, D]`. The gradient of a row that was taken several times is their sum, in the
    /// order of the indices.
    public func embedded(_ indices: [Int32], batch: Int) -> Variable {
        let (rows, width) = (shape[0], shape[1])
        precondition(batch > 0 && indices.count % batch == 0, "\(indices.count) indices for \(batch) samples")
        precondition(indices.allSatisfy { $0 >= 0 && $0 < rows }, "an index outside a table of \(rows) rows")
        let result = Tensor(uninitialised: [batch, indices.count / batch, width])
        for (token, index) in indices.enumerated() {
            (result.pointer + token * width).update(from: value.pointer + Int(index) * width, count: width)
        }
        return graph.operation(result, passing: [self]) { [node, pool] gradient in
            node.accumulate { sink, beta in
                if beta == 0 { sink.fillInPlace(0) }
                // A tile has columns of its own, so that tokens with the same index do not meet.
                let blocks = Partition(width, about: 128)
                pool.parallel(blocks.parts) { part in
                    let columns = blocks[part]
                    for (token, index) in indices.enumerated() {
                        Kernels.accumulate(
                            gradient.pointer + token * width + columns.lowerBound,
                            into: sink.pointer + Int(index) * width + columns.lowerBound, count: columns.count)
                    }
                }
            }
        }
    }
}

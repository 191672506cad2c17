import TensorCore

extension OperationCase {
    static func gelu(rows: Int, width: Int) -> [OperationCase] {
        let elements = Double(rows * width)
        return [
            OperationCase("GELU", "forward", "width \(width)", tokens: rows, .bytes(8 * elements)) { pool in
                let x = benchTensor([rows, width])
                return { _ = x.gelu(pool: pool) }
            },
            OperationCase("GELU", "backward", "width \(width)", tokens: rows, .bytes(12 * elements)) { pool in
                let (x, dy) = (benchTensor([rows, width]), benchTensor([rows, width]))
                return { _ = x.geluGradient(dy, pool: pool) }
            },
        ]
    }

    static func layerScale(rows: Int, width: Int) -> [OperationCase] {
        let elements = Double(rows * width)
        return [
            OperationCase("scale + residual", "forward", "width \(width)", tokens: rows, .bytes(12 * elements)) { pool in
                let (x, branch, gain) = (benchTensor([rows, width]), benchTensor([rows, width]), benchTensor([width]))
                return { _ = x.addingScaled(branch, gain: gain, pool: pool) }
            },
            OperationCase("scale + residual", "backward", "width \(width)", tokens: rows, .bytes(12 * elements)) { pool in
                let (dy, branch, gain) = (benchTensor([rows, width]), benchTensor([rows, width]), benchTensor([width]))
                let sink = Tensor(zeros: [width])
                return {
                    _ = dy.multiplyingRows(by: gain, pool: pool)
                    dy.columnDots(branch, into: sink, beta: 1, pool: pool)
                }
            },
        ]
    }

    /// Its gradient is that of the sum and moves nothing.
    static func addition(rows: Int, width: Int) -> [OperationCase] {
        [
            OperationCase("addition", "forward", "\(rows) × \(width)", .bytes(12 * Double(rows * width))) { pool in
                let (a, b) = (benchTensor([rows, width]), benchTensor([rows, width]))
                return { _ = a.adding(b, pool: pool) }
            }
        ]
    }
}

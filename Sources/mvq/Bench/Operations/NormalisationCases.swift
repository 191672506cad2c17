import TensorCore

extension OperationCase {
    static func groupNorm(positions: Int, channels: Int, groups: Int, silu: Bool, isAdaptive: Bool) -> [OperationCase] {
        let elements = Double(positions * channels)
        let shape: Shape = [1, positions, channels]
        let norm = GroupNormalisation(shape: shape, groups: groups, epsilon: 1e-6, silu: silu)
        let name = isAdaptive ? "adaptive group norm" : "group norm" + (silu ? " + SiLU" : "")
        let text = "\(channels) channels, \(positions) positions" + (groups == channels ? ", each its group" : "")
        // An adaptive norm's gain and bias have one row an image.
        let gainShape: Shape = isAdaptive ? [1, channels] : [channels]
        return [
            OperationCase(name, "forward", text, .bytes(8 * elements)) { pool in
                let (x, gain, bias) = (benchTensor(shape), benchTensor(gainShape), benchTensor(gainShape))
                return { _ = norm.forward(x, gain: gain, bias: bias, pool: pool) }
            },
            OperationCase(name, "backward", text, .bytes(12 * elements)) { pool in
                let (x, dy, gain, bias) = (benchTensor(shape), benchTensor(shape), benchTensor(gainShape), benchTensor(gainShape))
                let (gainSink, biasSink) = (Tensor(zeros: gainShape), Tensor(zeros: gainShape))
                let (_, statistics) = norm.forward(x, gain: gain, bias: bias, pool: pool)
                return {
                    _ = norm.backward(
                        dy, input: x, gain: gain, bias: bias, statistics: statistics, gainGradient: gainSink, biasGradient: biasSink,
                        pool: pool)
                }
            },
        ]
    }

    static func layerNorm(rows: Int, width: Int) -> [OperationCase] {
        let elements = Double(rows * width)
        return [
            OperationCase("layer norm", "forward", "width \(width)", tokens: rows, .bytes(8 * elements)) { pool in
                let (x, gain, bias) = (benchTensor([rows, width]), benchTensor([width]), benchTensor([width]))
                return { _ = x.layerNorm(gain: gain, bias: bias, epsilon: 1e-5, pool: pool) }
            },
            OperationCase("layer norm", "backward", "width \(width)", tokens: rows, .bytes(12 * elements)) { pool in
                let (x, dy, gain, bias) = (benchTensor([rows, width]), benchTensor([rows, width]), benchTensor([width]), benchTensor([width]))
                let (gainSink, biasSink) = (Tensor(zeros: [width]), Tensor(zeros: [width]))
                let (_, statistics) = x.layerNorm(gain: gain, bias: bias, epsilon: 1e-5, pool: pool)
                return {
                    _ = x.layerNormGradient(
                        dy, gain: gain, statistics: statistics, gainGradient: gainSink, biasGradient: biasSink, pool: pool)
                }
            },
        ]
    }
}

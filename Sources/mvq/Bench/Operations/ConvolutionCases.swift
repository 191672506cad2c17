import TensorCore

extension OperationCase {
    static func convolution(inputs: Int, outputs: Int, kernel: Int, stride: Int, side: Int) -> [OperationCase] {
        let convolution = Convolution(stride: stride, padding: kernel == 3 ? 1 : 0)
        let target = side / stride
        let (map, result): (Shape, Shape) = ([1, side, side, inputs], [1, target, target, outputs])
        let weight: Shape = [outputs, kernel, kernel, inputs]
        let work = Work.flops(2 * Double(weight.count) * Double(target * target))
        let name = "convolution \(kernel)×\(kernel)" + (stride > 1 ? " stride \(stride)" : "")
        let shape = "\(inputs)→\(outputs) @\(side)²"
        return [
            OperationCase(name, "forward", shape, work) { pool in
                let (x, w) = (benchTensor(map), benchTensor(weight))
                return { _ = convolution.forward(x, weight: w, bias: nil, pool: pool) }
            },
            // Of the image no gradient is asked for.
            OperationCase(name, "data gradient", shape, work, isInStep: inputs != 3) { pool in
                let (dy, w) = (benchTensor(result), benchTensor(weight))
                return { _ = convolution.inputGradient(dy, weight: w, shape: map, pool: pool) }
            },
            OperationCase(name, "weight gradient", shape, work) { pool in
                let (x, dy, sink) = (benchTensor(map), benchTensor(result), Tensor(zeros: weight))
                return { convolution.weightGradient(dy, input: x, into: sink, beta: 1, pool: pool) }
            },
        ]
    }

    static func depthwise(channels: Int, side: Int) -> [OperationCase] {
        let map: Shape = [1, side, side, channels]
        let shape = "\(channels) channels @\(side)²"
        return [
            OperationCase("depthwise 3×3", "forward", shape, .bytes(8 * Double(map.count))) { pool in
                let (x, w, bias) = (benchTensor(map), benchTensor([3, 3, channels]), benchTensor([channels]))
                return { _ = x.depthwise(weight: w, bias: bias, pool: pool) }
            },
            OperationCase("depthwise 3×3", "data gradient", shape, .bytes(8 * Double(map.count))) { pool in
                let (dy, w) = (benchTensor(map), benchTensor([3, 3, channels]))
                return { _ = dy.depthwise(weight: w, bias: nil, flipped: true, pool: pool) }
            },
            OperationCase("depthwise 3×3", "weight gradient", shape, .bytes(8 * Double(map.count))) { pool in
                let (x, dy, sink) = (benchTensor(map), benchTensor(map), Tensor(zeros: [3, 3, channels]))
                return { dy.depthwiseWeightGradient(input: x, into: sink, beta: 1, pool: pool) }
            },
        ]
    }

    static func depthToSpace(channels: Int, side: Int) -> [OperationCase] {
        let work = Work.bytes(8 * Double(side * side * channels))
        let shape = "\(channels) → \(channels / 4) channels @\(side)²"
        return [
            OperationCase("depth to space", "forward", shape, work) { pool in
                let x = benchTensor([1, side, side, channels])
                return { _ = x.depthToSpace(pool: pool) }
            },
            OperationCase("depth to space", "backward", shape, work) { pool in
                let dy = benchTensor([1, 2 * side, 2 * side, channels / 4])
                return { _ = dy.depthToSpace(inverse: true, pool: pool) }
            },
        ]
    }
}

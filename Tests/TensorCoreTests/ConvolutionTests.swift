import TensorCore
import Testing

/// Convolutions against the plain definition in double precision.
@Suite struct ConvolutionTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let batch, height, width, inputs, outputs, kernel, stride, padding: Int
        var testDescription: String { "\(inputs)→\(outputs) \(kernel)×\(kernel)/\(stride) on \(height)×\(width)" }
    }

    static let cases = [
        Case(batch: 2, height: 9, width: 7, inputs: 3, outputs: 5, kernel: 3, stride: 1, padding: 1),
        Case(batch: 1, height: 8, width: 8, inputs: 4, outputs: 6, kernel: 3, stride: 2, padding: 1),
        Case(batch: 2, height: 12, width: 8, inputs: 3, outputs: 4, kernel: 4, stride: 4, padding: 0),
        Case(batch: 3, height: 5, width: 6, inputs: 7, outputs: 2, kernel: 1, stride: 1, padding: 0),
        Case(batch: 1, height: 40, width: 30, inputs: 2, outputs: 3, kernel: 3, stride: 1, padding: 1),
        // Large enough for Winograd's algorithm, with edges that cut tiles, few blocks and many.
        Case(batch: 2, height: 18, width: 23, inputs: 33, outputs: 34, kernel: 3, stride: 1, padding: 1),
        Case(batch: 3, height: 57, width: 50, inputs: 32, outputs: 40, kernel: 3, stride: 1, padding: 1),
        Case(batch: 1, height: 30, width: 31, inputs: 100, outputs: 32, kernel: 3, stride: 1, padding: 0),
        // Few tiles and more channels than one block or portion of them.
        Case(batch: 1, height: 15, width: 16, inputs: 70, outputs: 530, kernel: 3, stride: 1, padding: 1),
        Case(batch: 1, height: 16, width: 16, inputs: 520, outputs: 40, kernel: 3, stride: 1, padding: 1),
        Case(batch: 1, height: 1, width: 1, inputs: 2, outputs: 3, kernel: 3, stride: 1, padding: 1),
        // As in PatchGAN: even kernels, even and odd sizes, one output.
        Case(batch: 2, height: 32, width: 48, inputs: 3, outputs: 8, kernel: 4, stride: 2, padding: 1),
        Case(batch: 2, height: 15, width: 10, inputs: 16, outputs: 24, kernel: 4, stride: 2, padding: 1),
        Case(batch: 2, height: 31, width: 33, inputs: 20, outputs: 33, kernel: 4, stride: 1, padding: 1),
        Case(batch: 3, height: 7, width: 2, inputs: 40, outputs: 1, kernel: 4, stride: 1, padding: 1),
    ]

    @Test(arguments: cases)
    func matchesTheDefinition(_ c: Case) {
        func random(_ shape: Shape, _ key: String) -> Tensor {
            let philox = Philox(seed: 1, domain: key)
            return Tensor((0..<shape.count).map { Float(philox.uniform(draw: $0)) - 0.5 }, shape)
        }
        let pool = ThreadPool(threads: 1)
        let convolution = Convolution(stride: c.stride, padding: c.padding)
        let x = random([c.batch, c.height, c.width, c.inputs], "x")
        let weight = random([c.outputs, c.kernel, c.kernel, c.inputs], "w")
        let bias = random([c.outputs], "b")
        let y = convolution.forward(x, weight: weight, bias: bias, pool: pool)
        let (oh, ow) = ((c.height + 2 * c.padding - c.kernel) / c.stride + 1, (c.width + 2 * c.padding - c.kernel) / c.stride + 1)
        #expect(y.shape == [c.batch, oh, ow, c.outputs])
        let dy = random(y.shape, "dy")

        let (xs, ws, bs, dys) = (x.elements, weight.elements, bias.elements, dy.elements)
        var want = [Double](repeating: 0, count: y.count)
        var dx = [Double](repeating: 0, count: x.count)
        var dw = [Double](repeating: 0, count: weight.count)
        for b in 0..<c.batch {
            for oy in 0..<oh {
                for ox in 0..<ow {
                    for o in 0..<c.outputs {
                        let at = ((b * oh + oy) * ow + ox) * c.outputs + o
                        want[at] = Double(bs[o])
                        for ky in 0..<c.kernel {
                            for kx in 0..<c.kernel {
                                let (iy, ix) = (oy * c.stride - c.padding + ky, ox * c.stride - c.padding + kx)
                                guard iy >= 0, iy < c.height, ix >= 0, ix < c.width else { continue }
                                for i in 0..<c.inputs {
                                    let source = ((b * c.height + iy) * c.width + ix) * c.inputs + i
                                    let tap = ((o * c.kernel + ky) * c.kernel + kx) * c.inputs + i
                                    want[at] += Double(xs[source]) * Double(ws[tap])
                                    dx[source] += Double(dys[at]) * Double(ws[tap])
                                    dw[tap] += Double(dys[at]) * Double(xs[source])
                                }
                            }
                        }
                    }
                }
            }
        }
        func close(_ got: Tensor, _ want: [Double], _ what: String) {
            // Relative L2 error, the measure of docs/kernels.md, and the largest single error against the largest value.
            let errors = zip(got.elements, want).map { Double($0) - $1 }
            let norm = want.reduce(0) { $0 + $1 * $1 }.squareRoot()
            let error = errors.reduce(0) { $0 + $1 * $1 }.squareRoot()
            #expect(error <= 5e-6 * norm, "\(what): relative error \(error / norm)")
            let (worst, largest) = (errors.map(abs).max() ?? 0, want.map(abs).max() ?? 0)
            #expect(worst <= 2e-5 * largest, "\(what) off by \(worst), largest value \(largest)")
        }
        close(y, want, "output")
        let residual = random(y.shape, "residual")
        let sum = convolution.forward(x, weight: weight, bias: nil, residual: residual, pool: pool)
        let withoutBias = want.indices.map { want[$0] - Double(bs[$0 % c.outputs]) }
        close(sum, zip(withoutBias, residual.elements).map { $0 + Double($1) }, "output and residual")
        let all = convolution.forward(x, weight: weight, bias: bias, residual: residual, pool: pool)
        close(all, zip(want, residual.elements).map { $0 + Double($1) }, "output, bias and residual")
        close(convolution.inputGradient(dy, weight: weight, shape: x.shape, pool: pool), dx, "input gradient")
        let sink = Tensor(filledWith: 1, weight.shape)
        convolution.weightGradient(dy, input: x, into: sink, beta: 1, pool: pool)
        close(sink, dw.map { $0 + 1 }, "weight gradient added to ones")
    }

    /// Threads cut the lines of few images among them, and what falls on a line comes from tiles that several threads compute. Here a tile is a line of
    /// the output or two.
    @Test(arguments: [
        Case(batch: 1, height: 32, width: 128, inputs: 116, outputs: 4, kernel: 3, stride: 2, padding: 1),
        Case(batch: 1, height: 34, width: 128, inputs: 66, outputs: 4, kernel: 4, stride: 2, padding: 1),
        Case(batch: 3, height: 35, width: 67, inputs: 42, outputs: 4, kernel: 5, stride: 2, padding: 0),
        Case(batch: 2, height: 64, width: 256, inputs: 66, outputs: 4, kernel: 4, stride: 4, padding: 0),
        Case(batch: 1, height: 7, width: 160, inputs: 24, outputs: 8, kernel: 3, stride: 2, padding: 1),
    ])
    func threadsMoveNoBitOfAnInputGradient(_ c: Case) {
        func random(_ shape: Shape, _ key: String) -> Tensor {
            let philox = Philox(seed: 2, domain: key)
            return Tensor((0..<shape.count).map { Float(philox.uniform(draw: $0)) - 0.5 }, shape)
        }
        let (oh, ow) = ((c.height + 2 * c.padding - c.kernel) / c.stride + 1, (c.width + 2 * c.padding - c.kernel) / c.stride + 1)
        let dy = random([c.batch, oh, ow, c.outputs], "dy")
        let weight = random([c.outputs, c.kernel, c.kernel, c.inputs], "w")
        func bits(_ threads: Int) -> [UInt32] {
            Convolution(stride: c.stride, padding: c.padding)
                .inputGradient(dy, weight: weight, shape: [c.batch, c.height, c.width, c.inputs], pool: ThreadPool(threads: threads))
                .elements.map(\.bitPattern)
        }
        let one = bits(1)
        for threads in [2, 3, 4, 9] {
            let isSame = bits(threads) == one
            #expect(isSame, "\(threads) threads")
        }
    }
}

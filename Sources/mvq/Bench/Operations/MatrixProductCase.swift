import MergeVQ
import TensorCore

/// One product of the model: out[rows, columns] = a · b over `depth`.
struct MatrixProductCase {
    enum Form: String { case nn, nt, tn }

    let name: String
    let rows: Int
    let columns: Int
    let depth: Int
    let form: Form
    /// Cut over the pool's threads; otherwise every thread has one of its own.
    let isCut: Bool

    /// GFLOP/s of all threads together.
    func measure(runs: Int, pool: ThreadPool) -> (best: Double, median: Double) {
        let copies = isCut ? 1 : pool.threads
        let operands = (0..<copies).map { _ in
            (Tensor(filledWith: 0.5, [rows * depth]), Tensor(filledWith: 0.5, [columns * depth]), Tensor(zeros: [rows * columns]))
        }
        let flops = 2 * Double(rows) * Double(columns) * Double(depth)
        // Long enough to time: about 20 ms a thread.
        let repetitions = max(1, Int(2e9 * Double(isCut ? pool.threads : 1) / flops))
        func product(_ index: Int, _ pool: ThreadPool?) {
            let (a, b, out) = operands[index]
            let left = MatrixOperand(a.pointer, stride: form == .tn ? rows : depth, transposed: form == .tn)
            let right = MatrixOperand(b.pointer, stride: form == .nt ? depth : columns, transposed: form == .nt)
            if let pool {
                multiply(left, right, into: out.pointer, stride: columns, rows: rows, columns: columns, depth: depth, pool: pool)
            } else {
                multiply(left, right, into: out.pointer, stride: columns, rows: rows, columns: columns, depth: depth)
            }
        }
        let timing = Timing.measure(runs: runs) {
            if isCut {
                for _ in 0..<repetitions { product(0, pool) }
            } else {
                pool.parallel(copies) { index in
                    for _ in 0..<repetitions { product(index, nil) }
                }
            }
        }
        let all = flops * Double(repetitions * copies) / 1e9
        return (all / timing.minimum, all / timing.median)
    }

    /// The products of the full-size variants: every linear layer and 1×1 convolution in its three directions, attention's two at the longest
    /// sequences, Winograd's at every width.
    static let all: [MatrixProductCase] = linear + attention + winograd

    private static var linear: [MatrixProductCase] {
        var seen: Set<ModelOperation> = []
        return TokenizerConfiguration.FullSize.allCases.flatMap { variant -> [MatrixProductCase] in
            let configuration = TokenizerConfiguration.fullSize(variant)
            // Before merging, and what merging leaves.
            let whole = ForwardPass(configuration, kept: configuration.fullTokens).operations.map(\.operation)
            let merged = ForwardPass(configuration, kept: configuration.keptTokens.candidates[variant == .r ? 0 : 1])
                .operations.last { $0.part == .encoderAttention && $0.operation.weightCount > 0 }.map(\.operation)
            return (whole + (merged.map { [$0] } ?? [])).flatMap { operation -> [MatrixProductCase] in
                guard seen.insert(operation).inserted else { return [] }
                switch operation {
                case .linear(let rows, let inputs, let outputs) where rows > 1 && inputs > 18 && outputs > 18:
                    return directions("linear \(inputs)→\(outputs), \(rows) tokens", rows: rows, inputs: inputs, outputs: outputs)
                case .convolution(let inputs, let outputs, 1, 1, let side):
                    return directions("1×1 \(inputs)→\(outputs) @\(side)²", rows: side * side, inputs: inputs, outputs: outputs)
                default: return []
                }
            }
        }
    }

    private static func directions(_ name: String, rows: Int, inputs: Int, outputs: Int) -> [MatrixProductCase] {
        [
            MatrixProductCase(name: name, rows: rows, columns: outputs, depth: inputs, form: .nt, isCut: true),
            MatrixProductCase(name: name + ", data gradient", rows: rows, columns: inputs, depth: outputs, form: .nn, isCut: true),
            MatrixProductCase(name: name + ", weight gradient", rows: outputs, columns: inputs, depth: rows, form: .tn, isCut: true),
        ]
    }

    private static var attention: [MatrixProductCase] {
        [257, 1025].flatMap { tokens in
            [
                MatrixProductCase(name: "attention scores, a head", rows: tokens, columns: tokens, depth: 64, form: .nt, isCut: false),
                MatrixProductCase(name: "attention values, a head", rows: tokens, columns: 64, depth: tokens, form: .nn, isCut: false),
            ]
        }
    }

    private static var winograd: [MatrixProductCase] {
        [(64, 64, 64), (64, 128, 128), (64, 256, 256), (64, 512, 512), (64, 512, 2048), (16, 512, 512), (16, 512, 2048)].flatMap {
            tiles, inputs, outputs in
            [
                MatrixProductCase(
                    name: "Winograd \(inputs)→\(outputs), \(tiles) tiles", rows: tiles, columns: outputs, depth: inputs, form: .nt, isCut: false),
                MatrixProductCase(
                    name: "Winograd weight gradient \(inputs)→\(outputs), \(tiles) tiles", rows: outputs, columns: inputs, depth: tiles,
                    form: .tn, isCut: false),
            ]
        }
    }
}

import MergeVQ
import TensorCore

/// One thing to time: an operation of the model in one direction, at one shape.
struct OperationCase {
    /// What it is, e.g. `convolution`; what `--only` looks for.
    let name: String
    /// `forward`, `data gradient`, …
    let direction: String
    /// The shape without the number of tokens, and that number where the shape has one.
    let shape: String
    let tokens: Int?
    let work: Work
    /// Whether a training step does this; `forward` is not counted twice where only forward + backward can be timed.
    let isInStep: Bool
    /// Makes the operands and returns the call to time.
    let prepare: (ThreadPool) -> () -> Void

    /// What a rate is made of.
    enum Work {
        /// Floating-point operations of the definition.
        case flops(Double)
        /// Bytes that must move between memory and core at least once: every operand read, every result written.
        case bytes(Double)

        /// In 10⁹ a second.
        func rate(seconds: Double) -> Double {
            switch self {
            case .flops(let amount), .bytes(let amount): amount / seconds / 1e9
            }
        }

        var unit: String {
            switch self {
            case .flops: "GFLOP/s"
            case .bytes: "GB/s"
            }
        }

        func times(_ factor: Double) -> Work {
            switch self {
            case .flops(let amount): .flops(amount * factor)
            case .bytes(let amount): .bytes(amount * factor)
            }
        }

        static func + (a: Work, b: Work) -> Work {
            switch (a, b) {
            case (.flops(let x), .flops(let y)): .flops(x + y)
            case (.bytes(let x), .bytes(let y)): .bytes(x + y)
            default: preconditionFailure("operations and bytes do not add up")
            }
        }
    }

    init(
        _ name: String, _ direction: String, _ shape: String, tokens: Int? = nil, _ work: Work, isInStep: Bool = true,
        prepare: @escaping (ThreadPool) -> () -> Void
    ) {
        self.name = name
        self.direction = direction
        self.shape = shape
        self.tokens = tokens
        self.work = work
        self.isInStep = isInStep
        self.prepare = prepare
    }

    /// The cases of one operation of the model.
    static func cases(of operation: ModelOperation) -> [OperationCase] {
        switch operation {
        case .convolution(let inputs, let outputs, let kernel, let stride, let side):
            convolution(inputs: inputs, outputs: outputs, kernel: kernel, stride: stride, side: side)
        case .depthwise(let channels, let side): depthwise(channels: channels, side: side)
        case .depthToSpace(let channels, let side): depthToSpace(channels: channels, side: side)
        case .linear(let rows, let inputs, let outputs): linear(rows: rows, inputs: inputs, outputs: outputs)
        case .attention(let queries, let keys, let heads, let headWidth):
            attention(queries: queries, keys: keys, heads: heads, headWidth: headWidth)
        case .merging(let tokens, let merges, let keyWidth, let width):
            merging(tokens: tokens, merges: merges, keyWidth: keyWidth, width: width)
        case .scores(let queries, let keys, let width): scores(queries: queries, keys: keys, width: width)
        case .groupNorm(let positions, let channels, let groups, let silu):
            groupNorm(positions: positions, channels: channels, groups: groups, silu: silu, isAdaptive: false)
        case .adaptiveGroupNorm(let positions, let channels, let groups):
            groupNorm(positions: positions, channels: channels, groups: groups, silu: false, isAdaptive: true)
        case .layerNorm(let rows, let width): layerNorm(rows: rows, width: width)
        case .gelu(let rows, let width): gelu(rows: rows, width: width)
        case .layerScale(let rows, let width): layerScale(rows: rows, width: width)
        case .addition(let rows, let width): addition(rows: rows, width: width)
        case .codeEntropy(let tokens, let bits): codeEntropy(tokens: tokens, bits: bits)
        }
    }

    /// What is timed without a configuration: every operation of the three full-size variants before any merge, at its real shape; merging and
    /// entropies also at the counts that training has; and what the coordinator does.
    static var catalogue: [OperationCase] {
        var seen: Set<ModelOperation> = []
        var operations = TokenizerConfiguration.FullSize.allCases.flatMap { variant in
            let configuration = TokenizerConfiguration.fullSize(variant)
            return ForwardPass(configuration, kept: configuration.fullTokens).operations.map(\.operation)
        }
        operations.removeAll { if case .codeEntropy = $0 { true } else { false } }
        operations += [
            .merging(tokens: 257, merges: 12, keyWidth: 64, width: 512), .merging(tokens: 1025, merges: 101, keyWidth: 64, width: 512),
            .codeEntropy(tokens: 144, bits: 18), .codeEntropy(tokens: 256, bits: 18),
        ]
        let unique = operations.filter { seen.insert($0).inserted }.flatMap(cases)
        // Kinds together, in the order in which they first appear.
        let kinds = unique.map(\.name).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        return kinds.flatMap { kind in unique.filter { $0.name == kind } } + vectors(count: 150_000_000)
    }
}

/// Elements that are neither equal nor extreme: uniform in (−1, 1), a function of the position.
func benchTensor(_ shape: Shape) -> Tensor {
    let tensor = Tensor(uninitialised: shape)
    tensor.withElements { elements in
        var state: UInt32 = 12345
        for i in elements.indices {
            state = state &* 1_664_525 &+ 1_013_904_223
            elements[i] = Float(state >> 8) * 0x1p-23 - 1
        }
    }
    return tensor
}

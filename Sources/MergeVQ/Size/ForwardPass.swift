/// What a tokenizer's forward pass over one image consists of, derived from its configuration alone: the operations in order, by part of the
/// model. For counting and for benchmarks; the model itself is in `Encoder`, `Decoder` and `SourceRecovery`.
public struct ForwardPass: Sendable {
    public enum Part: String, Sendable, CaseIterable {
        case encoderStem = "encoder stem"
        case encoderAttention = "encoder attention"
        case encoderHead = "encoder head"
        case decoderAttention = "decoder attention"
        case decoderUpsampler = "decoder upsampler"
        case sourceRecovery = "source recovery"
        case losses = "losses"

        static let encoder: Set<Part> = [.encoderStem, .encoderAttention, .encoderHead]
        static let decoder: Set<Part> = [.decoderAttention, .decoderUpsampler]
    }

    public private(set) var operations: [(part: Part, operation: ModelOperation)] = []

    /// - Parameter kept: K, the tokens that merging leaves of an image.
    public init(_ configuration: TokenizerConfiguration, kept: Int) {
        addStem(configuration)
        addEncoderBlocks(configuration, kept: kept)
        addDecoder(configuration)
        if let recovery = configuration.recovery { add(recovery, configuration, kept: kept) }
        add(.losses, .codeEntropy(tokens: kept, bits: configuration.encoder.bits))
    }

    /// Floating-point operations of some parts.
    public func flops(_ parts: Set<Part>) -> Double {
        operations.reduce(0) { parts.contains($1.part) ? $0 + $1.operation.flops : $0 }
    }

    public var encoderFlops: Double { flops(Part.encoder) }
    public var decoderFlops: Double { flops(Part.decoder) }
    /// Encoder and decoder: the specification's forward count. Source recovery and losses are not in it.
    public var flops: Double { encoderFlops + decoderFlops }

    /// Elements of all weights that it multiplies with; a double, because those of absurd sizes are more than an Int holds.
    public var weightCount: Double { operations.reduce(0) { $0 + Double($1.operation.weightCount) } }

    private mutating func add(_ part: Part, _ operations: ModelOperation...) {
        self.operations += operations.map { (part, $0) }
    }

    private mutating func addResidualBlock(_ part: Part, inputs: Int, outputs: Int, groups: Int, side: Int) {
        let positions = side * side
        add(
            part, .groupNorm(positions: positions, channels: inputs, groups: groups, silu: true),
            .convolution(inputs: inputs, outputs: outputs, kernel: 3, stride: 1, side: side),
            .groupNorm(positions: positions, channels: outputs, groups: groups, silu: true),
            .convolution(inputs: outputs, outputs: outputs, kernel: 3, stride: 1, side: side))
        if inputs != outputs { add(part, .convolution(inputs: inputs, outputs: outputs, kernel: 1, stride: 1, side: side)) }
        add(part, .addition(rows: positions, width: outputs))
    }

    /// Pre-norm attention with its residual connection, on `tokens` of one sequence.
    private mutating func addAttention(_ part: Part, tokens: Int, width: Int, heads: Int) {
        add(
            part, .layerNorm(rows: tokens, width: width), .linear(rows: tokens, inputs: width, outputs: 3 * width),
            .attention(queries: tokens, keys: tokens, heads: heads, headWidth: width / heads),
            .linear(rows: tokens, inputs: width, outputs: width))
    }

    private mutating func addStem(_ c: TokenizerConfiguration) {
        let part = Part.encoderStem
        var side = c.imageSize
        switch c.encoder.stem {
        case .patches(let size, let width):
            add(
                part, .convolution(inputs: 3, outputs: width, kernel: size, stride: size, side: side),
                .groupNorm(positions: c.fullTokens, channels: width, groups: width, silu: false))
        case .convolutional(let channels, let multipliers, let blocks):
            add(part, .convolution(inputs: 3, outputs: channels, kernel: 3, stride: 1, side: side))
            var width = channels
            for (i, multiplier) in multipliers.enumerated() {
                for _ in 0..<blocks {
                    addResidualBlock(part, inputs: width, outputs: channels * multiplier, groups: c.encoder.groups, side: side)
                    width = channels * multiplier
                }
                guard i < multipliers.count - 1 else { continue }
                add(part, .convolution(inputs: width, outputs: width, kernel: 3, stride: 2, side: side))
                side /= 2
            }
        }
    }

    private mutating func addEncoderBlocks(_ c: TokenizerConfiguration, kept: Int) {
        let (part, width, heads) = (Part.encoderAttention, c.encoder.stem.width, c.encoder.heads)
        let counts = c.schedule.mergeCounts(length: c.fullTokens, kept: kept, layers: c.encoder.blocks)
        var tokens = c.fullTokens + 1
        for merges in MergeSchedule.capped(counts, length: c.fullTokens) {
            addAttention(part, tokens: tokens, width: width, heads: heads)
            add(part, .layerScale(rows: tokens, width: width))
            if merges > 0 { add(part, .merging(tokens: tokens, merges: merges, keyWidth: width / heads, width: width)) }
            tokens -= merges
            add(
                part, .layerNorm(rows: tokens, width: width), .linear(rows: tokens, inputs: width, outputs: 4 * width),
                .gelu(rows: tokens, width: 4 * width), .linear(rows: tokens, inputs: 4 * width, outputs: width),
                .layerScale(rows: tokens, width: width))
        }
        add(
            .encoderHead, .groupNorm(positions: tokens - 1, channels: width, groups: c.encoder.groups, silu: true),
            .linear(rows: tokens - 1, inputs: width, outputs: c.encoder.bits))
    }

    private mutating func addDecoder(_ c: TokenizerConfiguration) {
        let (d, tokens, width) = (c.decoder, c.fullTokens, c.decoder.width)
        var side = c.grid
        add(
            .decoderAttention, .convolution(inputs: d.bits, outputs: width, kernel: 3, stride: 1, side: side),
            .depthwise(channels: width, side: side), .addition(rows: tokens, width: width))
        for _ in 0..<d.blocks {
            addAttention(.decoderAttention, tokens: tokens, width: width, heads: d.heads)
            add(
                .decoderAttention, .layerScale(rows: tokens, width: width), .layerNorm(rows: tokens, width: width),
                .linear(rows: tokens, inputs: width, outputs: 4 * width), .depthwise(channels: 4 * width, side: side),
                .gelu(rows: tokens, width: 4 * width), .linear(rows: tokens, inputs: 4 * width, outputs: width),
                .layerScale(rows: tokens, width: width))
        }
        let part = Part.decoderUpsampler
        var current = width
        for i in d.multipliers.indices.reversed() {
            let output = d.channels * d.multipliers[i]
            add(
                part, .linear(rows: 1, inputs: d.bits, outputs: current), .linear(rows: 1, inputs: d.bits, outputs: current),
                .adaptiveGroupNorm(positions: side * side, channels: current, groups: d.groups))
            for _ in 0..<(d.residualBlocks + (i > 0 ? 1 : 0)) {
                addResidualBlock(part, inputs: current, outputs: output, groups: d.groups, side: side)
                current = output
            }
            guard i > 0 else { continue }
            add(
                part, .convolution(inputs: current, outputs: 4 * current, kernel: 3, stride: 1, side: side),
                .depthToSpace(channels: 4 * current, side: side))
            side *= 2
        }
        add(
            part, .groupNorm(positions: side * side, channels: current, groups: d.groups, silu: true),
            .convolution(inputs: current, outputs: 3, kernel: 3, stride: 1, side: side))
    }

    private mutating func add(_ r: SourceRecoveryConfiguration, _ c: TokenizerConfiguration, kept: Int) {
        let (part, width, positions) = (Part.sourceRecovery, r.width, c.fullTokens)
        add(part, .linear(rows: kept, inputs: c.encoder.bits, outputs: width), .layerNorm(rows: kept, width: width))
        for block in 0..<(r.crossAttentionBlocks + r.selfAttentionBlocks) {
            if block < r.crossAttentionBlocks {
                add(
                    part, .layerNorm(rows: positions, width: width), .linear(rows: positions, inputs: width, outputs: width),
                    .linear(rows: kept, inputs: width, outputs: 2 * width),
                    .attention(queries: positions, keys: kept, heads: r.heads, headWidth: width / r.heads),
                    .linear(rows: positions, inputs: width, outputs: width))
            } else {
                addAttention(part, tokens: positions, width: width, heads: r.heads)
            }
            add(
                part, .addition(rows: positions, width: width), .layerNorm(rows: positions, width: width),
                .linear(rows: positions, inputs: width, outputs: 4 * width), .gelu(rows: positions, width: 4 * width),
                .linear(rows: positions, inputs: 4 * width, outputs: width), .addition(rows: positions, width: width))
        }
        add(
            part, .linear(rows: positions, inputs: width, outputs: width), .linear(rows: kept, inputs: width, outputs: width),
            .scores(queries: positions, keys: kept, width: width))
    }
}

import NeuralNet
import TensorCore

/// The encoder's settings; widths follow from the stem.
public struct EncoderConfiguration: Sendable, Equatable {
    public var stem: StemConfiguration
    public var blocks: Int
    public var heads: Int
    /// Bits a token, the quantiser's width.
    public var bits: Int
    /// Groups of the group norms.
    public var groups: Int
    /// Start of the LayerScale gains.
    public var layerScale: Float
    /// The alignment head's kind and output width; nil without alignment.
    public var alignment: Alignment?

    public struct Alignment: Sendable, Equatable {
        public var kind: AlignmentHead.Kind
        public var outputs: Int

        public init(kind: AlignmentHead.Kind, outputs: Int) {
            self.kind = kind
            self.outputs = outputs
        }
    }

    public init(
        stem: StemConfiguration, blocks: Int, heads: Int, bits: Int, groups: Int, layerScale: Float, alignment: Alignment? = nil
    ) {
        self.stem = stem
        self.blocks = blocks
        self.heads = heads
        self.bits = bits
        self.groups = groups
        self.layerScale = layerScale
        self.alignment = alignment
    }
}

/// Image → kept tokens with their owner map (eq. 1–3, 7; spec 2).
public struct Encoder: Sendable {
    let stem: EncoderStem
    let classToken: Parameter
    let blocks: [TokenMergingBlock]
    let normOut: GroupNorm
    let convOut: Linear
    /// The head of the alignment loss, if configured.
    public let alignmentHead: AlignmentHead?

    public init(_ scope: ParameterScope, _ configuration: EncoderConfiguration) {
        let width = configuration.stem.width
        stem = EncoderStem(scope, configuration.stem, groups: configuration.groups)
        let attention = scope / "attn"
        classToken = attention.parameter("cls_token", [1, 1, width], .normal(deviation: 1e-6))
        blocks = (0..<configuration.blocks).map {
            TokenMergingBlock(
                attention / "blocks" / $0, width: width, heads: configuration.heads, layerScale: configuration.layerScale)
        }
        normOut = GroupNorm(scope / "norm_out", channels: width, groups: configuration.groups, silu: true)
        convOut = Linear(scope / "conv_out", inputs: width, outputs: configuration.bits, pointwise: true)
        alignmentHead = configuration.alignment.map {
            AlignmentHead(scope / "dist_head", kind: $0.kind, width: width, outputs: $0.outputs)
        }
    }

    /// Encodes images `[B, H, W, 3]` in [−1, 1], merging `mergeCounts[l]` tokens in block l (fewer where the sequence is too short).
    /// Returns the tokens `[B, 1 + K, D]`, class token first, with sizes and owner map.
    public func callAsFunction(_ image: Variable, mergeCounts: [Int]) -> TokenSequence {
        tokens(features(image), mergeCounts: mergeCounts)
    }

    /// The stem's tokens in raster order, `[B, L, D]`.
    public func features(_ image: Variable) -> Variable {
        let map = stem(image)
        return map.reshaped([map.shape[0], map.shape[1] * map.shape[2], map.shape[3]])
    }

    /// Merges the stem's tokens `[B, L, D]`, as `callAsFunction` does.
    func tokens(_ features: Variable, mergeCounts: [Int]) -> TokenSequence {
        precondition(mergeCounts.count == blocks.count, "\(mergeCounts.count) merge counts for \(blocks.count) blocks")
        let batch = features.shape[0]
        let classTokens = features.graph[classToken].repeated(batch: batch, rows: 1)
        var sequence = TokenSequence(classTokens.followed(by: features))
        for (block, merges) in zip(blocks, mergeCounts) { sequence = block(sequence, merges: merges) }
        return sequence
    }

    /// The kept image tokens as inputs of the quantiser: `[B, 1 + K, D]` → y `[B, K, bits]` (spec 2.6).
    public func project(_ sequence: TokenSequence) -> Variable {
        convOut(normOut(sequence.tokens.rows(from: 1, count: sequence.length - 1)))
    }

    /// The class token `[B, D]`.
    public func classToken(of sequence: TokenSequence) -> Variable {
        let token = sequence.tokens.rows(from: 0, count: 1)
        return token.reshaped([token.shape[0], token.shape[2]])
    }
}

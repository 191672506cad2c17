import NeuralNet
import TensorCore

/// The decoder's settings; the width of its transformer is channels · last multiplier.
public struct DecoderConfiguration: Sendable, Equatable {
    public var channels: Int
    public var multipliers: [Int]
    /// Residual blocks of the last (full-resolution) stage; every other stage has one more.
    public var residualBlocks: Int
    public var blocks: Int
    public var heads: Int
    public var bits: Int
    public var groups: Int
    public var layerScale: Float

    public init(
        channels: Int, multipliers: [Int], residualBlocks: Int, blocks: Int, heads: Int, bits: Int, groups: Int, layerScale: Float
    ) {
        self.channels = channels
        self.multipliers = multipliers
        self.residualBlocks = residualBlocks
        self.blocks = blocks
        self.heads = heads
        self.bits = bits
        self.groups = groups
        self.layerScale = layerScale
    }

    /// Token width.
    public var width: Int { channels * (multipliers.last ?? 1) }
}

/// A pre-norm transformer block with MixFFN, without merging (spec 4.2, step 4).
struct MixBlock: Sendable {
    let norm1: LayerNorm
    let attention: SelfAttention
    let scale1: LayerScale
    let norm2: LayerNorm
    let mlp: MixFFN
    let scale2: LayerScale

    init(_ scope: ParameterScope, width: Int, heads: Int, layerScale: Float) {
        norm1 = LayerNorm(scope / "norm1", width: width)
        attention = SelfAttention(scope / "attn", width: width, heads: heads)
        scale1 = LayerScale(scope / "ls1", width: width, start: layerScale)
        norm2 = LayerNorm(scope / "norm2", width: width)
        mlp = MixFFN(scope / "mlp", width: width, hidden: 4 * width)
        scale2 = LayerScale(scope / "ls2", width: width, start: layerScale)
    }

    func callAsFunction(_ x: Variable, height: Int, width: Int) -> Variable {
        x.graph.block(x) { [self] inputs in
            let (x, graph) = (inputs[0], inputs[0].graph)
            let y = scale1(x, branch: attention(graph.rematerialised { [norm1] in norm1(x) }).output)
            return scale2(y, branch: mlp(graph.rematerialised { [norm2] in norm2(y) }, height: height, width: width))
        }
    }
}

/// Recovered tokens → image (eq. 6; spec 4.2).
public struct Decoder: Sendable {
    struct Stage: Sendable {
        let adaptive: AdaptiveGroupNorm
        let blocks: [ResidualBlock]
        let upsample: Upsampler?
    }

    let convIn: Convolution2D
    let positions: DepthwiseConvolution
    let blocks: [MixBlock]
    /// Deepest first.
    let stages: [Stage]
    let normOut: GroupNorm
    let convOut: Convolution2D

    public init(_ scope: ParameterScope, _ configuration: DecoderConfiguration) {
        let c = configuration
        convIn = Convolution2D(scope / "conv_in", inputs: c.bits, outputs: c.width, bias: true)
        positions = DepthwiseConvolution(scope / "attn" / "pos_embed", channels: c.width)
        blocks = (0..<c.blocks).map {
            MixBlock(scope / "attn" / "blocks" / $0, width: c.width, heads: c.heads, layerScale: c.layerScale)
        }
        var width = c.width
        stages = c.multipliers.indices.reversed().map { i in
            let output = c.channels * c.multipliers[i]
            let adaptive = AdaptiveGroupNorm(scope / "adaptive" / i, bits: c.bits, channels: width, groups: c.groups)
            let blocks = (0..<(c.residualBlocks + (i > 0 ? 1 : 0))).map { j in
                defer { width = output }
                return ResidualBlock(scope / "up" / i / "block" / j, inputs: width, outputs: output, groups: c.groups)
            }
            return Stage(
                adaptive: adaptive, blocks: blocks,
                upsample: i > 0 ? Upsampler(scope / "up" / i / "upsample", channels: output) : nil)
        }
        normOut = GroupNorm(scope / "norm_out", channels: width, groups: c.groups, silu: true)
        convOut = Convolution2D(scope / "conv_out", inputs: width, outputs: 3, bias: true)
    }

    /// Intermediate values, for whoever wants to look: `stage` is `conv_in`, `dw_position`, `attn_block0` …, `attn_out`, `adagn2`,
    /// `stage2_blocks`, `stage2_up` ….
    public typealias Observer = (_ stage: String, _ value: Variable) -> Void

    /// Codes on their map `[B, h, w, bits]` → image `[B, H, W, 3]`, not clamped.
    public func callAsFunction(_ z: Variable, observe: Observer? = nil) -> Variable { convOut(lastHidden(z, observe: observe)) }

    /// The input of the last convolution, `[B, H, W, channels]`.
    func lastHidden(_ z: Variable, observe: Observer? = nil) -> Variable {
        let style = SpatialMoments(z)
        let (height, width) = (z.shape[1], z.shape[2])
        var map = convIn(z)
        observe?("conv_in", map)
        let position = positions(map)
        observe?("dw_position", position)
        map = map + position
        var x = map.reshaped([map.shape[0], height * width, map.shape[3]])
        for (l, block) in blocks.enumerated() {
            x = block(x, height: height, width: width)
            observe?("attn_block\(l)", x)
        }
        observe?("attn_out", x)
        map = x.reshaped(map.shape)
        for (depth, stage) in stages.enumerated() {
            let i = stages.count - 1 - depth
            // Used by the first residual block alone, and cheap to make again.
            map = map.graph.rematerialised { [adaptive = stage.adaptive, map] in adaptive(map, style: style) }
            observe?("adagn\(i)", map)
            for block in stage.blocks { map = block(map) }
            observe?("stage\(i)_blocks", map)
            if let upsample = stage.upsample {
                map = upsample(map)
                observe?("stage\(i)_up", map)
            }
        }
        return map.graph.rematerialised { [normOut, map] in normOut(map) }
    }

    /// The gradient of the last convolution's weight, from that of the image and `lastHidden`.
    func lastWeightGradient(_ gradient: Tensor, hidden: Tensor, pool: ThreadPool) -> Tensor {
        let result = Tensor(zeros: [gradient.shape[3], 3, 3, hidden.shape[3]])
        Convolution(stride: 1, padding: 1).weightGradient(gradient, input: hidden, into: result, beta: 0, pool: pool)
        return result
    }
}

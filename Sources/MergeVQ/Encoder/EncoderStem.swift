import NeuralNet

/// What turns the image into the first feature map (spec 2.2).
public enum StemConfiguration: Sendable, Equatable {
    /// Residual stages with stride-2 convolutions between them (G, G+R): the base width, its multiplier in every stage, blocks a stage.
    case convolutional(channels: Int, multipliers: [Int], residualBlocks: Int)
    /// One convolution over disjoint patches and a per-channel norm (R).
    case patches(size: Int, width: Int)

    /// Token width D.
    public var width: Int {
        switch self {
        case .convolutional(let channels, let multipliers, _): return channels * (multipliers.last ?? 1)
        case .patches(_, let width): return width
        }
    }

    /// Image pixels to one token, per side.
    public var downsampling: Int {
        switch self {
        case .convolutional(_, let multipliers, _): return 1 << (multipliers.count - 1)
        case .patches(let size, _): return size
        }
    }
}

/// The stem's layers: `[B, H, W, 3]` → `[B, H/f, W/f, D]`.
enum EncoderStem: Sendable {
    case convolutional(ConvolutionalStem)
    case patches(PatchStem)

    init(_ scope: ParameterScope, _ configuration: StemConfiguration, groups: Int) {
        switch configuration {
        case .convolutional(let channels, let multipliers, let blocks):
            self = .convolutional(
                ConvolutionalStem(scope, channels: channels, multipliers: multipliers, residualBlocks: blocks, groups: groups))
        case .patches(let size, let width):
            self = .patches(PatchStem(scope, size: size, width: width))
        }
    }

    func callAsFunction(_ image: Variable) -> Variable {
        switch self {
        case .convolutional(let stem): return stem(image)
        case .patches(let stem): return stem(image)
        }
    }
}

/// conv 3×3, then stages of residual blocks with stride-2 convolutions between them.
struct ConvolutionalStem: Sendable {
    struct Stage: Sendable {
        let blocks: [ResidualBlock]
        let downsample: Convolution2D?
    }

    let convIn: Convolution2D
    let stages: [Stage]

    init(_ scope: ParameterScope, channels: Int, multipliers: [Int], residualBlocks: Int, groups: Int) {
        convIn = Convolution2D(scope / "conv_in", inputs: 3, outputs: channels, bias: false)
        var width = channels
        stages = multipliers.indices.map { i in
            let stage = scope / "down" / i
            let blocks = (0..<residualBlocks).map { j in
                defer { width = channels * multipliers[i] }
                return ResidualBlock(stage / "block" / j, inputs: width, outputs: channels * multipliers[i], groups: groups)
            }
            let last = i == multipliers.count - 1
            return Stage(
                blocks: blocks,
                downsample: last ? nil : Convolution2D(stage / "downsample", inputs: width, outputs: width, stride: 2, bias: true))
        }
    }

    func callAsFunction(_ image: Variable) -> Variable {
        var x = convIn(image)
        for stage in stages {
            for block in stage.blocks { x = block(x) }
            if let downsample = stage.downsample { x = downsample(x) }
        }
        return x
    }
}

/// A convolution over disjoint patches, then a norm with one group a channel.
struct PatchStem: Sendable {
    let projection: Convolution2D
    let norm: GroupNorm

    init(_ scope: ParameterScope, size: Int, width: Int) {
        projection = Convolution2D(scope / "conv_in" / 0, inputs: 3, outputs: width, kernel: size, stride: size, padding: 0, bias: true)
        norm = GroupNorm(scope / "conv_in" / 1, channels: width, groups: width)
    }

    func callAsFunction(_ image: Variable) -> Variable { norm(projection(image)) }
}

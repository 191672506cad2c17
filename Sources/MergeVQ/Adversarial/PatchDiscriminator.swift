import NeuralNet
import TensorCore

/// The size of a PatchGAN discriminator (spec 5).
public struct PatchDiscriminatorConfiguration: Sendable, Equatable {
    /// Channels after the first convolution ("ndf").
    public var channels: Int
    /// Convolutions between the first and the last one; all but the last of them halve the map, as the first convolution does.
    public var layers: Int

    public init(channels: Int = 64, layers: Int = 3) {
        precondition(channels >= 1 && layers >= 1, "a discriminator of \(channels) channels and \(layers) layers")
        self.channels = channels
        self.layers = layers
    }

    /// Logits along a side of so many pixels, ⌊n/2^layers⌋ − 2: 30 for 256 pixels and 3 layers. 0 for an image that is too small.
    public func logitSize(_ imageSize: Int) -> Int { max(0, (imageSize >> layers) - 2) }

    /// The side of the smallest images that have a logit.
    public var smallestImageSize: Int { 3 << layers }
}

/// The PatchGAN discriminator of pix2pix: convolutions 4×4 with padding 1, batch norm and leaky ReLU between them, one logit for every
/// overlapping patch (70×70 pixels with 3 layers). Spec 5.
///
/// Running statistics of the batch norms are `DiscriminatorStatistics`, outside.
public struct PatchDiscriminator: Sendable {
    public let configuration: PatchDiscriminatorConfiguration
    private let first: Convolution2D
    private let layers: [Layer]
    private let last: Convolution2D

    private struct Layer: Sendable {
        let convolution: Convolution2D
        let norm: BatchNorm2D
    }

    /// Of the leaky ReLUs.
    private static let slope: Float = 0.2

    /// Registers `main.0`, `main.2`, `main.3`, `main.5`, `main.6`, … under a scope, officially `disc`. Convolution weights start as N(0, 0.02²).
    public init(_ scope: ParameterScope, _ configuration: PatchDiscriminatorConfiguration) {
        self.configuration = configuration
        let main = scope / "main"
        let initialiser = Initialiser.normal(deviation: 0.02)
        first = Convolution2D(
            main / 0, inputs: 3, outputs: configuration.channels, kernel: 4, stride: 2, bias: true, initialiser: initialiser)
        var width = configuration.channels
        layers = (1...configuration.layers).map { layer in
            let outputs = configuration.channels * min(1 << layer, 8)
            defer { width = outputs }
            return Layer(
                convolution: Convolution2D(
                    main / (3 * layer - 1), inputs: width, outputs: outputs, kernel: 4, stride: layer < configuration.layers ? 2 : 1,
                    bias: false, initialiser: initialiser),
                norm: BatchNorm2D(main / (3 * layer), channels: outputs, slope: PatchDiscriminator.slope))
        }
        last = Convolution2D(
            main / (3 * configuration.layers + 2), inputs: width, outputs: 1, kernel: 4, bias: true, initialiser: initialiser)
    }

    /// The batch norms, in order.
    var norms: [BatchNorm2D] { layers.map(\.norm) }

    /// Logits along a side of so many pixels; 0 for an image that is too small.
    public func logitSize(_ imageSize: Int) -> Int { configuration.logitSize(imageSize) }

    /// What a pass in training yields.
    public struct Pass {
        /// `[B, h, w, 1]`, positive for images that look real.
        public let logits: Variable
        /// Of every batch norm's input.
        public let statistics: [BatchStatistics]
    }

    /// In training: image `[B, H, W, 3]` → logits `[B, h, w, 1]`, normalised by this batch's statistics.
    ///
    /// ```swift
    /// let generatorPass = graph.frozen { discriminator(x̂) }      // gradients for x̂ alone
    /// let fake = discriminator(graph.constant(x̂.value))           // gradients for the discriminator alone
    /// ```
    public func callAsFunction(_ image: Variable) -> Pass {
        var statistics: [BatchStatistics] = []
        let logits = logits(of: image) { norm, x in
            let (output, batch) = norm(x)
            statistics.append(batch)
            return output
        }
        return Pass(logits: logits, statistics: statistics)
    }

    /// In evaluation: the same with running statistics, so that an image's logits do not depend on the others.
    public func callAsFunction(_ image: Variable, statistics: DiscriminatorStatistics) -> Variable {
        logits(of: image) { norm, x in norm(x, means: statistics.means(of: norm), variances: statistics.variances(of: norm)) }
    }

    private func logits(of image: Variable, normalise: (BatchNorm2D, Variable) -> Variable) -> Variable {
        let (height, width) = (image.shape[1], image.shape[2])
        guard logitSize(height) > 0, logitSize(width) > 0 else {
            let smallest = configuration.smallestImageSize
            // Not a precondition: optimised builds would keep the sizes to themselves.
            fatalError(
                "images of \(width) × \(height) pixels are too small for a discriminator of \(configuration.layers) layers, "
                    + "which needs at least \(smallest) × \(smallest)")
        }
        var x = first(image).leakyReLU(slope: PatchDiscriminator.slope)
        for layer in layers { x = normalise(layer.norm, layer.convolution(x)) }
        return last(x)
    }
}

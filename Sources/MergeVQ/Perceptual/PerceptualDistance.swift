import NeuralNet
import TensorCore

/// The perceptual distance of images, LPIPS v0.1 on VGG16 (spec 5): at five depths of a frozen network, the squared distance between the unit
/// feature vectors of corresponding pixels, channels weighted, averaged over pixels; summed over the depths.
///
/// Its weights are a vector of their own, not part of the model that is trained:
///
/// ```swift
/// let (distance, layout) = PerceptualDistance.build()
/// let weights = layout.initialWeights(seed: 1)                                   // or read from a file
/// let loss = distance.mean(of: pass.image, to: images, weights: weights)         // gradient to the reconstruction only
/// ```
///
/// The initial weights are a random network, a pure function of the seed, whose features keep their size from layer to layer; all channels then
/// weigh the same, so a depth's distance is the squared chord between two unit vectors, from 0 to 2, the shallow ones counting most: 1.4 to 2.2 in
/// all between two images of noise. It is no measure to compare with others' LPIPS; records must say which weights were used.
public struct PerceptualDistance: Sendable {
    public let features: VGG16Features
    /// The weights of the channels at each depth, not negative.
    private let channelWeights: [Parameter]

    /// x ↦ (x − shift)/scale by channel, which the trained network wants for images in [−1, 1].
    private static let shift: [Float] = [-0.030, -0.088, -0.188]
    private static let scale: [Float] = [0.458, 0.448, 0.450]
    /// Added to norms, outside the root.
    private static let epsilon: Float = 1e-10

    /// Registers `net.slice{1..5}.{index}.{weight,bias}` and `lin{0..4}.model.1.weight`.
    ///
    /// - Parameter width: channels of the network's first stage; 64 in the original, less for random networks.
    public init(_ scope: ParameterScope, width: Int = 64) {
        let features = VGG16Features(scope / "net", width: width)
        self.features = features
        channelWeights = features.channels.enumerated().map { depth, channels in
            (scope / "lin\(depth)" / "model" / 1).parameter("weight", [channels], officialShape: [1, channels, 1, 1], .ones)
        }
    }

    /// A perceptual distance and the layout of its weights.
    public static func build(width: Int = 64) -> (PerceptualDistance, ParameterLayout) {
        ParameterLayout.build { PerceptualDistance($0, width: width) }
    }

    /// The distance of every reconstruction to its image: `[B, H, W, 3]` both, in [−1, 1] (the reconstruction need not keep to it) → `[B]`.
    /// Gradient to the reconstruction only.
    ///
    /// - Parameter weights: of this network, `[layout.count]`.
    public func callAsFunction(_ reconstruction: Variable, to images: Tensor, weights: Tensor) -> Variable {
        let depths = byDepth(reconstruction, to: images, weights: weights)
        return depths[1...].reduce(depths[0], +)
    }

    /// The mean of the distances over the batch, `[1]`: the loss term.
    public func mean(of reconstruction: Variable, to images: Tensor, weights: Tensor) -> Variable {
        let batch = images.shape[0]
        return self(reconstruction, to: images, weights: weights).inner(Tensor(filledWith: 1 / Float(batch), [batch]))
    }

    /// The five terms of the distance, `[B]` each.
    public func byDepth(_ reconstruction: Variable, to images: Tensor, weights: Tensor) -> [Variable] {
        precondition(reconstruction.shape == images.shape, "distance of \(reconstruction.shape) to \(images.shape)")
        let graph = reconstruction.graph
        return graph.frozen(weights) {
            let targets = features(PerceptualDistance.standardised(graph.constant(images))).map(\.value)
            let sources = features(PerceptualDistance.standardised(reconstruction))
            return channelWeights.indices.map { depth in
                sources[depth].unitDistance(
                    to: targets[depth], weights: graph[channelWeights[depth]].value, epsilon: PerceptualDistance.epsilon)
            }
        }
    }

    /// Images as the network was trained on them.
    package static func standardised(_ images: Variable) -> Variable {
        images.affine(
            factor: Tensor(scale.map { 1 / $0 }, [3]), offset: Tensor(zip(shift, scale).map { -$0 / $1 }, [3]))
    }
}

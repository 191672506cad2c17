import NeuralNet
import TensorCore

/// The convolutions of VGG16 as a source of features: five stages of 3×3 convolutions with ReLU, maxima over 2×2 pixels between them.
public struct VGG16Features: Sendable {
    /// Convolutions of a stage.
    private static let depths = [2, 2, 3, 3, 3]

    /// Channels of the five features.
    public let channels: [Int]
    private let stages: [[RectifiedConvolution]]

    /// Registers `slice{1..5}.{index}.{weight,bias}`, where `index` counts convolutions, ReLUs and poolings as the original's feature list does.
    ///
    /// - Parameter width: channels of the first stage, 64 in the original; they double up to eightfold.
    public init(_ scope: ParameterScope, width: Int = 64) {
        channels = [1, 2, 4, 8, 8].map { $0 * width }
        var stages: [[RectifiedConvolution]] = []
        var (index, inputs) = (0, 3)
        for (stage, depth) in VGG16Features.depths.enumerated() {
            var layers: [RectifiedConvolution] = []
            for _ in 0..<depth {
                layers.append(RectifiedConvolution(scope / "slice\(stage + 1)" / index, inputs: inputs, outputs: channels[stage]))
                inputs = channels[stage]
                index += 2
            }
            index += 1
            stages.append(layers)
        }
        self.stages = stages
    }

    /// Standardised images `[B, H, W, 3]` → the maps after relu1_2, 2_2, 3_3, 4_3 and 5_3, `[B, ⌊H/2ⁱ⌋, ⌊W/2ⁱ⌋, channels[i]]`, i = 0…4.
    public func callAsFunction(_ x: Variable) -> [Variable] {
        precondition(x.shape[1] >= 16 && x.shape[2] >= 16, "VGG16 halves its maps four times: images of shape \(x.shape) are too small")
        return stages.reduce(into: []) { features, layers in
            let isFirst = features.isEmpty
            func stage(_ x: Variable) -> Variable { layers.reduce(isFirst ? x : x.maxPooled()) { $1($0) } }
            let input = features.last ?? x
            // Constants (the target image) leave nothing behind that could be computed a second time instead.
            features.append(input.needsGradient ? input.graph.block(input) { stage($0[0]) } : stage(input))
        }
    }
}

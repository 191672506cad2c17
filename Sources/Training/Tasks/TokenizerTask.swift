import ImageData
import MergeVQ
import NeuralNet
import TensorCore

/// Training the tokenizer, as the fleet sees it: (weights, slot) → gradient sum.
///
/// A slot's result is one vector: the gradient of the loss summed over the slot's images, then the number of images, then every loss term
/// summed over the images. All of it goes through the same tree of sums, so the metrics are as reproducible as the weights.
public struct TokenizerTask: Sendable {
    public let configuration: RunConfiguration
    public let tokenizer: Tokenizer
    public let layout: ParameterLayout
    /// From a decoded image to the model's input.
    package let transform: ImageTransform
    private let lossWeights: TokenizerLossWeights

    public init(_ configuration: RunConfiguration) {
        self.configuration = configuration
        (tokenizer, layout) = Tokenizer.build(configuration.tokenizer)
        transform = ImageTransform(
            size: configuration.model.imageSize, purpose: .training, seed: UInt64(configuration.seed))
        lossWeights = configuration.lossWeights
    }

    /// Floats in a slot's result.
    public var resultCount: Int { layout.count + 1 + Tokenizer.termNames.count }

    /// Adds up one slot: decodes its images, runs the model forward and back. `result [resultCount]` is overwritten; all zeros for no images.
    ///
    /// - Parameters:
    ///   - images: the encoded images with their sample ids.
    ///   - kept: how many tokens to keep.
    /// - Throws: `ImageError` for an image that cannot be decoded.
    public func computeSlot(
        weights: Tensor, images: [(sample: Int, name: String, bytes: [UInt8])], step: Int, kept: Int, into result: Tensor, pool: ThreadPool
    ) throws {
        computeSlot(weights: weights, images: try decode(images, step: step), kept: kept, into: result, pool: pool)
    }

    /// Adds up one slot of decoded images, `[B, H, W, 3]` in [−1, 1]. `result [resultCount]` is overwritten; all zeros for no images.
    /// - Parameter kept: how many tokens to keep.
    public func computeSlot(weights: Tensor, images: Tensor, kept: Int, into result: Tensor, pool: ThreadPool) {
        precondition(result.count == resultCount, "result of shape \(result.shape) for \(resultCount) floats")
        result.fillInPlace(0)
        guard images.count > 0 else { return }
        let graph = Graph(
            weights: weights, gradients: result.slice(from: 0, [layout.count]), recomputation: configuration.training.recompute, pool: pool)
        let pass = tokenizer(graph.constant(images), kept: kept)
        let loss = tokenizer.loss(of: pass, images: images, weights: lossWeights)
        let count = Float(images.shape[0])
        graph.backward(from: loss.total, seed: Tensor([count], [1]))
        result.withElements { elements in
            elements[layout.count] = count
            for (i, term) in loss.terms.enumerated() { elements[layout.count + 1 + i] = term * count }
        }
    }

    /// Decodes and transforms images to `[B, H, W, 3]` in [−1, 1], one after the other; the error is that of the first bad image.
    private func decode(_ images: [(sample: Int, name: String, bytes: [UInt8])], step: Int) throws -> Tensor {
        let batch = Tensor(uninitialised: [images.count, transform.size, transform.size, 3])
        let decoder = SampleDecoder(transform)
        for (i, image) in images.enumerated() {
            try batch.slice(from: i * transform.elementCount, [transform.elementCount]).withElements {
                try decoder(image.bytes, file: image.name, step: step, sample: image.sample, into: $0)
            }
        }
        return batch
    }

    /// What a step's summed result says: mean gradient (a view, divided in place), image count, and mean loss terms by name.
    public struct Outcome {
        public let gradient: Tensor
        public let images: Int
        public let terms: [(name: String, value: Double)]
    }

    /// Divides a step's summed result by its number of images, in place.
    public func outcome(of sum: Tensor, pool: ThreadPool) -> Outcome {
        let (count, totals) = sum.withElements { ($0[layout.count], Array($0[(layout.count + 1)...].prefix(Tokenizer.termNames.count))) }
        let gradient = sum.slice(from: 0, [layout.count])
        gradient.scaleInPlace(by: 1 / max(count, 1), pool: pool)
        return Outcome(
            gradient: gradient, images: Int(exactly: count) ?? 0,
            terms: zip(Tokenizer.termNames, totals).map { ($0, Double($1 / max(count, 1))) })
    }
}

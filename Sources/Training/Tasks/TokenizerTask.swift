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
    private let transform: ImageTransform
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
        precondition(result.count == resultCount, "result of shape \(result.shape) for \(resultCount) floats")
        result.fillInPlace(0)
        guard !images.isEmpty else { return }
        let batch = try decode(images, step: step, pool: pool)
        let graph = Graph(weights: weights, gradients: result.slice(from: 0, [layout.count]), pool: pool)
        let pass = tokenizer(graph.constant(batch), kept: kept)
        let loss = tokenizer.loss(of: pass, images: batch, weights: lossWeights)
        let count = Float(images.count)
        graph.backward(from: loss.total, seed: Tensor([count], [1]))
        result.withElements { elements in
            elements[layout.count] = count
            for (i, term) in loss.terms.enumerated() { elements[layout.count + 1 + i] = term * count }
        }
    }

    /// Decodes and transforms images to `[B, H, W, 3]` in [−1, 1].
    private func decode(
        _ images: [(sample: Int, name: String, bytes: [UInt8])], step: Int, pool: ThreadPool
    ) throws -> Tensor {
        let size = transform.size
        let batch = Tensor(uninitialised: [images.count, size, size, 3])
        var errors = [ImageError?](repeating: nil, count: images.count)
        errors.withUnsafeMutableBufferPointer { errors in
            nonisolated(unsafe) let errors = errors
            pool.parallel(images.count) { i in
                let image = images[i]
                do throws(ImageError) {
                    let decoded = try JPEG.decode(image.bytes, file: image.name)
                    batch.slice(from: i * transform.elementCount, [transform.elementCount]).withElements {
                        transform(decoded, step: step, sample: image.sample, into: $0)
                    }
                } catch {
                    errors[i] = error
                }
            }
        }
        if let error = errors.lazy.compactMap({ $0 }).first { throw error }
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

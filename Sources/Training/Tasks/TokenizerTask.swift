import Failpoints
import ImageData
import MergeVQ
import NeuralNet
import TensorCore

/// A worker's task in training the tokenizer: (weights, slot) → gradient sum, both in the form of `TrainingVectors`. It holds the networks that
/// judge the tokenizer.
public struct TokenizerTask: Sendable {
    public let configuration: RunConfiguration
    public let model: StageOneModel
    public let vectors: TrainingVectors
    /// What becomes of a decoded image: the reconstruction's view, and with alignment those of student and teacher.
    package let transforms: [ImageTransform]
    private let frozen: FrozenWeights

    /// - Throws: if a network that a loss needs cannot be read (`FrozenWeights`).
    public init(_ configuration: RunConfiguration) throws {
        self.configuration = configuration
        model = StageOneModel(configuration.stageOne)
        vectors = TrainingVectors(model)
        frozen = try FrozenWeights(configuration, model: model)
        let seed = UInt64(configuration.seed)
        var transforms = [ImageTransform(size: configuration.model.imageSize, purpose: .training, seed: seed)]
        if model.teacher != nil {
            let alignment = configuration.alignment
            transforms += [
                ImageTransform(size: alignment.studentViewSize, purpose: .training, view: .student, seed: seed),
                ImageTransform(size: alignment.teacherViewSize, purpose: .training, view: .teacher, seed: seed),
            ]
        }
        self.transforms = transforms
    }

    public var tokenizer: Tokenizer { model.tokenizer }
    /// Of all trained weights.
    public var layout: ParameterLayout { model.layout }
    /// Floats that the task is given: weights and statistics.
    public var weightsCount: Int { vectors.weightsCount }
    /// Floats in a slot's result.
    public var resultCount: Int { vectors.resultCount }

    /// Adds up one slot: decodes its images, runs the model forward and back. `result [resultCount]` is overwritten; all zeros for no images.
    ///
    /// - Parameters:
    ///   - weights: `[weightsCount]`
    ///   - images: the encoded images with their sample ids.
    ///   - slot: its number, for complaints.
    ///   - kept: how many tokens to keep.
    /// - Throws: `ImageError` for an image that cannot be decoded, `TrainingError.notFinite` for a result that is not all finite numbers.
    public func computeSlot(
        weights: Tensor, images: [(sample: Int, name: String, bytes: [UInt8])], step: Int, slot: Int, kept: Int, into result: Tensor,
        pool: ThreadPool
    ) throws {
        let views = try decode(images, step: step)
        try computeSlot(
            weights: weights, views: views, samples: images.map(\.sample), step: step, slot: slot, kept: kept, into: result, pool: pool)
    }

    /// Adds up one slot of decoded images. `result [resultCount]` is overwritten; all zeros for no images.
    ///
    /// - Parameters:
    ///   - views: by `transforms`, `[B, size, size, 3]` each.
    ///   - samples: the images' ids, and `slot`: the slot's number, for complaints.
    /// - Throws: `TrainingError.notFinite` for a result that is not all finite numbers.
    package func computeSlot(
        weights: Tensor, views: [Tensor], samples: [Int], step: Int, slot: Int, kept: Int, into result: Tensor, pool: ThreadPool
    ) throws {
        precondition(result.count == resultCount, "result of shape \(result.shape) for \(resultCount) floats")
        let (parameters, statistics) = vectors.unpack(weights)
        result.fillInPlace(0)
        guard views[0].count > 0 else { return }
        var alignment: (views: Tensor, features: Tensor)?
        if let teacher = model.teacher, let teacherWeights = frozen.teacher {
            alignment = (views[1], teacher.network(views[2], weights: teacherWeights, pool: pool))
        }
        let pass = model.addGradient(
            of: StageOneBatch(images: views[0], alignment: alignment), weights: parameters, statistics: statistics,
            perceptualWeights: frozen.perceptual, kept: kept, into: result.slice(from: 0, [layout.count]),
            recomputation: configuration.training.recompute, pool: pool)
        result.slice(from: 0, [layout.count]).damage(as: Failpoints.reach(.workerGradient))
        if let culprit = notFinite(pass, images: Float(views[0].shape[0]), gradient: result, pool: pool) {
            throw TrainingError.notFinite(step: step, slot: slot, what: culprit, samples: samples)
        }
        vectors.pack(terms: pass.terms, statisticSums: pass.statisticSums, images: views[0].shape[0], into: result)
    }

    /// What of a slot's result is not finite, or would not be once it is summed or squared; nil if nothing is. What says most comes first: the
    /// single losses, their sum, the gradient that follows from them. Reading the gradient once costs a thousandth of making it.
    private func notFinite(_ pass: StageOneResult, images: Float, gradient: Tensor, pool: ThreadPool) -> String? {
        let terms = Array(zip(model.termNames, pass.terms))
        if let (name, _) = (terms.dropFirst() + terms.prefix(1)).first(where: { !($1 * images).isFinite }) { return "the loss term \(name)" }
        let part = model.optimizers.first {
            !gradient.slice(from: $0.range.lowerBound, [$0.range.count]).sumOfSquares(pool: pool).isFinite
        }
        if let part { return "the \(part.name)'s gradient" }
        return pass.statisticSums.allSatisfy(\.isFinite) ? nil : "a running statistic"
    }

    /// Decodes and transforms images to views `[B, size, size, 3]`, one image after the other; the error is that of the first bad image.
    private func decode(_ images: [(sample: Int, name: String, bytes: [UInt8])], step: Int) throws -> [Tensor] {
        let views = transforms.map { Tensor(uninitialised: [images.count, $0.size, $0.size, 3]) }
        let decoder = SampleDecoder(transforms)
        for (i, image) in images.enumerated() {
            try decoder(
                image.bytes, file: image.name, step: step, sample: image.sample,
                into: zip(transforms, views).map { UnsafeMutableBufferPointer(start: $1.pointer + i * $0.elementCount, count: $0.elementCount) })
        }
        return views
    }
}

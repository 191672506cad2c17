import Checkpoints
import Checksums
import MergeVQ
import NeuralNet
import TensorCore

/// Everything a run changes as it trains, and its form in checkpoints (docs/checkpoint-format.md).
public struct TrainingState: Sendable {
    public var optimizer: AdamW.State
    public var statistics: StageOneStatistics
    /// Committed steps.
    public var step: Int

    /// The digest of all that workers get: the bytes of the weights, then of the statistics.
    public var weightsDigest: String { TrainingState.weightsDigest(optimizer.weights, statistics) }

    static func weightsDigest(_ weights: Tensor, _ statistics: StageOneStatistics) -> String {
        let hash = SHA256()
        weights.withBytes { hash.update($0) }
        statistics.values.withUnsafeBytes { hash.update($0) }
        return hash.finish()
    }

    /// The digest of what workers get, recomputed from the tensors of a checkpoint; `/model` and `/statistics` are enough.
    ///
    /// - Throws: `TrainingError.unsuitableCheckpoint` if a tensor is missing or has another shape.
    static func weightsDigest(of loaded: LoadedCheckpoint, model: any TrainedModel) throws -> String {
        weightsDigest(try vector("model", of: loaded, layout: model.layout), try statistics(of: loaded, model: model))
    }

    /// A new run's state.
    public init(model: any TrainedModel, seed: UInt64) {
        self.init(model: model, weights: model.layout.initialWeights(seed: seed))
    }

    private init(model: any TrainedModel, weights: Tensor) {
        optimizer = AdamW.State(weights: weights)
        statistics = model.initialStatistics
        step = 0
    }

    /// A new run's state, its encoder started from a larger transformer if the configuration names one.
    ///
    /// - Throws: `PretrainedError` if the transformer's file cannot be read, `TrainingError.unsuitableStart` if it is too small.
    public init(model: any TrainedModel, configuration: RunConfiguration) throws {
        let weights = model.layout.initialWeights(seed: UInt64(configuration.seed))
        if let file = configuration.model.encoderStart {
            let network = try NetworkFile(file: file, kind: .dinov2)
            let contents = network.contents
            let values = try network.values(of: contents)
            let tensors = Dictionary(uniqueKeysWithValues: contents.map { ($0.name, Tensor(values[$0.name] ?? [], Shape($0.shape))) })
            do {
                try WeightSelection.apply(WeightSelection.timmNames(tensors), to: weights, layout: model.layout)
            } catch {
                throw TrainingError.unsuitableStart(file: file, reason: "\(error)")
            }
        }
        self.init(model: model, weights: weights)
    }

    /// Facts about the run that go into every checkpoint.
    public struct Facts: Sendable {
        public var configuration: RunConfiguration
        public var runID: String
        public var datasetFingerprint: String
        public var sampleCount: Int
        public var numericClass: String
        public var epoch: Int
        /// The step that the run began with.
        public var firstStep: Int
        /// What the source says of itself.
        public var source: [String: AttributeValue]

        public init(
            configuration: RunConfiguration, runID: String, datasetFingerprint: String, sampleCount: Int, numericClass: String, epoch: Int,
            firstStep: Int = 0, source: [String: AttributeValue] = [:]
        ) {
            self.source = source
            self.configuration = configuration
            self.runID = runID
            self.datasetFingerprint = datasetFingerprint
            self.sampleCount = sampleCount
            self.numericClass = numericClass
            self.epoch = epoch
            self.firstStep = firstStep
        }
    }

    /// The state as a checkpoint, all of it in memory: for small models. A run takes a `TrainingSnapshot`.
    public func checkpoint(model: any TrainedModel, facts: Facts) -> Checkpoint {
        Checkpoint(TrainingSnapshot(sharing: self, model: model, facts: facts))
    }

    /// The state of a checkpoint.
    ///
    /// - Throws: `TrainingError.unsuitableCheckpoint` if a tensor is missing or has another shape, or the weights do not have their digest.
    public init(_ loaded: LoadedCheckpoint, model: any TrainedModel) throws {
        let checkpoint = loaded.checkpoint
        func vector(_ group: String) throws -> Tensor { try TrainingState.vector(group, of: loaded, layout: model.layout) }
        func moments(_ moment: String) throws -> Tensor {
            let vector = Tensor(zeros: [model.layout.count])
            for part in model.optimizers {
                try TrainingState.fill(
                    vector, "optimizer/\(part.name)/\(moment)", of: loaded, model.layout.parameters.filter { part.range.contains($0.offset) })
            }
            return vector
        }
        guard let optimizerStep = checkpoint.attributes["optimizer_step"]?.integer else {
            throw TrainingError.unsuitableCheckpoint(file: loaded.file, reason: "has no optimizer_step; it is not a training checkpoint of mvq")
        }
        optimizer = AdamW.State(
            weights: try vector("model"), firstMoment: try moments("first_moment"), secondMoment: try moments("second_moment"),
            ema: try vector("ema"), step: optimizerStep)
        step = checkpoint.step
        statistics = try TrainingState.statistics(of: loaded, model: model)
        // A checkpoint may hold more than this run needs: that of a run with more losses. Every array has its own digest.
        let isExact = checkpoint.arrays(under: "/model").count == model.layout.parameters.count
            && checkpoint.arrays(under: "/statistics").count == statistics.buffers.count
        if isExact, let digest = checkpoint.attributes["weights_digest"]?.string, digest != weightsDigest {
            throw TrainingError.unsuitableCheckpoint(
                file: loaded.file, reason: "its weights do not have the digest they were written with; use another checkpoint")
        }
    }

    private static func statistics(of loaded: LoadedCheckpoint, model: any TrainedModel) throws -> StageOneStatistics {
        let start = model.initialStatistics
        var values = start.values
        let stored = loaded.checkpoint.arrays(under: "/statistics")
        for buffer in start.buffers {
            guard let array = stored[buffer.name], array.values.count == buffer.range.count else {
                throw TrainingError.unsuitableCheckpoint(
                    file: loaded.file, reason: "lacks /statistics/\(buffer.name) [\(buffer.range.count)]; it belongs to another model, or to one without that loss")
            }
            values.replaceSubrange(buffer.range, with: array.values)
        }
        return start.with(values: values)
    }

    /// One group of a checkpoint, e.g. `ema`, as a vector of the layout.
    static func vector(_ group: String, of loaded: LoadedCheckpoint, layout: ParameterLayout) throws -> Tensor {
        let vector = Tensor(zeros: [layout.count])
        try fill(vector, group, of: loaded, layout.parameters)
        return vector
    }

    /// Writes some parameters of a group into a vector of their layout.
    private static func fill(_ vector: Tensor, _ group: String, of loaded: LoadedCheckpoint, _ parameters: [Parameter]) throws {
        let arrays = loaded.checkpoint.arrays(under: "/\(group)")
        for parameter in parameters {
            guard let array = arrays[parameter.name] else {
                throw TrainingError.unsuitableCheckpoint(
                    file: loaded.file, reason: "lacks /\(group)/\(parameter.name); it belongs to another model, or to one without the loss that needs it")
            }
            guard array.shape == parameter.officialShape else {
                throw TrainingError.unsuitableCheckpoint(
                    file: loaded.file,
                    reason: "/\(group)/\(parameter.name) has shape \(array.shape), the model needs \(parameter.officialShape)")
            }
            parameter.setOfficial(array.values, in: vector)
        }
    }
}

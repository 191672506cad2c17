import Checkpoints
import Checksums
import NeuralNet
import TensorCore

/// Everything a run changes as it trains, and its form in checkpoints (docs/checkpoint-format.md).
public struct TrainingState {
    public var optimizer: AdamW.State
    /// Committed steps.
    public var step: Int

    /// The digest of the weights' bytes.
    public var weightsDigest: String { optimizer.weights.withBytes { SHA256.digest(of: $0) } }

    /// A new run's state.
    public init(layout: ParameterLayout, seed: UInt64) {
        optimizer = AdamW.State(weights: layout.initialWeights(seed: seed))
        step = 0
    }

    /// Facts about the run that go into every checkpoint.
    public struct Facts: Sendable {
        public var configuration: RunConfiguration
        public var runID: String
        public var datasetFingerprint: String
        public var sampleCount: Int
        public var numericClass: String
        public var epoch: Int

        public init(
            configuration: RunConfiguration, runID: String, datasetFingerprint: String, sampleCount: Int, numericClass: String, epoch: Int
        ) {
            self.configuration = configuration
            self.runID = runID
            self.datasetFingerprint = datasetFingerprint
            self.sampleCount = sampleCount
            self.numericClass = numericClass
            self.epoch = epoch
        }
    }

    private static let vectors = ["model", "ema", "optimizer/generator/first_moment", "optimizer/generator/second_moment"]

    /// The state as a checkpoint, parameters under their official names and in official layout; a copy that training may outrun.
    public func checkpoint(layout: ParameterLayout, facts: Facts) -> Checkpoint {
        let state = [optimizer.weights, optimizer.ema, optimizer.firstMoment, optimizer.secondMoment]
        let arrays = zip(TrainingState.vectors, state).flatMap { group, vector in
            layout.parameters.map {
                CheckpointArray(path: "/\(group)/\($0.name)", shape: $0.officialShape, values: $0.official(from: vector))
            }
        }
        return Checkpoint(
            step: step,
            attributes: [
                "epoch": .integer(facts.epoch), "optimizer_step": .integer(optimizer.step),
                "config": .string(facts.configuration.yaml), "seed": .integer(facts.configuration.seed),
                "run_id": .string(facts.runID), "dataset_fingerprint": .string(facts.datasetFingerprint),
                "sample_count": .integer(facts.sampleCount), "numeric_class": .string(facts.numericClass),
                "build": .string(BuildVersion.current), "weights_digest": .string(weightsDigest),
            ], arrays: arrays)
    }

    /// The state of a checkpoint.
    ///
    /// - Throws: `TrainingError.unsuitableCheckpoint` if a tensor is missing or has another shape, or the weights do not have their digest.
    public init(_ loaded: LoadedCheckpoint, layout: ParameterLayout) throws {
        let checkpoint = loaded.checkpoint
        let vectors = try TrainingState.vectors.map { try TrainingState.vector($0, of: loaded, layout: layout) }
        guard let optimizerStep = checkpoint.attributes["optimizer_step"]?.integer else {
            throw TrainingError.unsuitableCheckpoint(file: loaded.file, reason: "has no optimizer_step; it is not a training checkpoint of mvq")
        }
        optimizer = AdamW.State(
            weights: vectors[0], firstMoment: vectors[2], secondMoment: vectors[3], ema: vectors[1], step: optimizerStep)
        step = checkpoint.step
        if let digest = checkpoint.attributes["weights_digest"]?.string, digest != weightsDigest {
            throw TrainingError.unsuitableCheckpoint(
                file: loaded.file, reason: "its weights do not have the digest they were written with; use another checkpoint")
        }
    }

    /// One group of a checkpoint, e.g. `ema`, as a vector of the layout.
    static func vector(_ group: String, of loaded: LoadedCheckpoint, layout: ParameterLayout) throws -> Tensor {
        let arrays = loaded.checkpoint.arrays(under: "/\(group)")
        let vector = Tensor(zeros: [layout.count])
        for parameter in layout.parameters {
            guard let array = arrays[parameter.name] else {
                throw TrainingError.unsuitableCheckpoint(
                    file: loaded.file, reason: "lacks /\(group)/\(parameter.name); it belongs to another model")
            }
            guard array.shape == parameter.officialShape else {
                throw TrainingError.unsuitableCheckpoint(
                    file: loaded.file,
                    reason: "/\(group)/\(parameter.name) has shape \(array.shape), the model needs \(parameter.officialShape)")
            }
            parameter.setOfficial(array.values, in: vector)
        }
        return vector
    }
}

import Checkpoints
import Foundation
import Generators
import TensorCore

/// A generator read from a checkpoint, ready to generate.
public struct GeneratorCheckpoint: Sendable {
    public let file: String
    public let step: Int
    /// Which weights these are.
    public let which: TokenizerCheckpoint.Weights
    public let configuration: RunConfiguration
    public let generator: Generator
    public let weights: Tensor
    /// The classes' names; a label is a position in it. Empty if the checkpoint does not say.
    public let classNames: [String]
    /// Digest of the weights of the tokenizer whose tokens it learnt (`TokenFileHeader.tokenizerDigest`).
    public let tokenizerDigest: String?
    /// A warning about the file, if there is one.
    public let warning: String?

    /// A model whose weights came by another way.
    init(_ model: GeneratorModel, configuration: RunConfiguration, weights: Tensor, file: String) {
        (self.file, step, which, self.configuration, generator, self.weights) = (file, 0, .ema, configuration, model.generator, weights)
        (classNames, tokenizerDigest, warning) = ([], configuration.generator.tokenizer, nil)
    }

    /// Reads a checkpoint file, or the newest valid checkpoint of a run directory.
    ///
    /// - Throws: `CheckpointError`, `ConfigurationError`, and `TrainingError` for a checkpoint of something else.
    public init(path: String, weights which: TokenizerCheckpoint.Weights) throws {
        let group = which == .ema ? "ema" : "model"
        let loaded = try TokenizerCheckpoint.load(path, group: group)
        configuration = try TokenizerCheckpoint.configuration(of: loaded, task: .generator)
        file = loaded.file
        self.which = which
        step = loaded.checkpoint.step
        warning = loaded.manifest.warning(for: loaded.file)
        let model = GeneratorModel(configuration)
        generator = model.generator
        weights = try TrainingState.vector(group, of: loaded, layout: model.layout)
        let names = loaded.checkpoint.attributes["class_names"]?.string
        classNames = names.flatMap { try? JSONDecoder().decode([String].self, from: Data($0.utf8)) } ?? []
        tokenizerDigest = configuration.generator.tokenizer
    }
}

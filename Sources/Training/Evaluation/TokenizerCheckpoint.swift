import Checkpoints
import Foundation
import MergeVQ
import NeuralNet
import TensorCore

/// A trained tokenizer read from a checkpoint, ready to run.
public struct TokenizerCheckpoint {
    /// Which weights to use.
    public enum Weights: String, CaseIterable, Sendable {
        /// The average over steps; what the paper evaluates.
        case ema
        /// The weights as training left them.
        case raw
    }

    public let file: String
    public let step: Int
    /// Which weights these are.
    public let which: Weights
    public let configuration: RunConfiguration
    public let tokenizer: Tokenizer
    public let weights: Tensor
    /// A warning about the file, if there is one.
    public let warning: String?

    /// A tokenizer whose weights came by another way.
    init(_ configuration: RunConfiguration, weights: Tensor, file: String) {
        (self.file, step, which, self.configuration, self.weights) = (file, 0, .ema, configuration, weights)
        (tokenizer, warning) = (Tokenizer.build(configuration.tokenizer).0, nil)
    }

    /// Reads a checkpoint file, or the newest valid checkpoint of a run directory.
    ///
    /// - Throws: `CheckpointError`, `TrainingError`, `ConfigurationError`.
    public init(path: String, weights which: Weights) throws {
        let group = which == .ema ? "ema" : "model"
        let loaded = try TokenizerCheckpoint.load(path, group: group)
        file = loaded.file
        self.which = which
        step = loaded.checkpoint.step
        // An imported file has no manifest; its digests lie inside.
        warning = loaded.checkpoint.attributes["kind"] == nil ? loaded.manifest.warning(for: loaded.file) : nil
        configuration = try TokenizerCheckpoint.configuration(of: loaded, task: .tokenizer)
        let (tokenizer, layout) = Tokenizer.build(configuration.tokenizer)
        self.tokenizer = tokenizer
        weights = try TrainingState.vector(group, of: loaded, layout: layout)
    }

    /// The configuration that a checkpoint holds.
    ///
    /// - Throws: `ConfigurationError`, and `TrainingError` if there is none, or one of another task.
    static func configuration(of loaded: LoadedCheckpoint, task: RunConfiguration.Task) throws -> RunConfiguration {
        guard let yaml = loaded.checkpoint.attributes["config"]?.string else {
            throw TrainingError.unsuitableCheckpoint(file: loaded.file, reason: "holds no configuration; it is not a training checkpoint of mvq")
        }
        let configuration = try RunConfiguration(yaml: yaml, file: "\(loaded.file) (config)")
        guard configuration.task == task else {
            throw TrainingError.unsuitableCheckpoint(file: loaded.file, reason: "is of a \(configuration.task.rawValue); give that of a \(task.rawValue)")
        }
        return configuration
    }

    /// Loads and verifies a checkpoint file, or the newest valid checkpoint of a run directory.
    ///
    /// - Parameter group: the only group of arrays to keep in memory; nil for all.
    /// - Throws: `CheckpointError`, `TrainingError`, `FileError`.
    static func load(_ path: String, group: String? = nil) throws -> LoadedCheckpoint {
        let keep = { (array: String) in group.map { array.hasPrefix("/\($0)/") } ?? true }
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
            return try CheckpointStore.load(path: path, keeping: keep)
        }
        guard let found = try CheckpointStore(directory: path + "/checkpoints").newestValid(keeping: keep).loaded else {
            throw TrainingError.noCheckpoint(folder: path + "/checkpoints")
        }
        return found
    }
}

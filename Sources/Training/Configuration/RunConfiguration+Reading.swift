import Foundation
import MergeVQ

extension RunConfiguration {
    /// Reads a configuration file with overrides such as `("training.steps", "200")`.
    ///
    /// - Throws: `ConfigurationError`, also when the file cannot be read.
    public init(file: String, overrides: [(key: String, value: String)] = []) throws {
        guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
            throw ConfigurationError(file, "cannot be read; name an existing configuration, e.g. configs/tokenizer-gr-tiny.yaml")
        }
        try self.init(yaml: text, file: file, overrides: overrides)
    }

    /// Far above any model, and few enough that their bytes, and those of some vectors of them, are an Int.
    private static let mostWeights = 1e12

    /// Reads the text of a configuration; `file` is its name in complaints.
    public init(yaml: String, file: String, overrides: [(key: String, value: String)] = []) throws {
        self.init()
        if let task = try ConfigurationReader.field("task", of: yaml, file: file, overrides: overrides, as: Task.self) { setDefaults(of: task) }
        try ConfigurationReader.read(yaml, file: file, overrides: overrides, into: &self) { try $0.visit($1) }
        let weights = [.tokenizer, .tokenize].contains(task) ? ForwardPass(tokenizer, kept: merging.keptTokens).weightCount : Double(trainedModel.layout.count)
        guard weights <= RunConfiguration.mostWeights else {
            throw ConfigurationError(
                file, "model has \(weights) weights, more than \(RunConfiguration.mostWeights); lower model.channels, model.channel_multipliers,"
                    + " model.patch_width, model.source_recovery.width or the numbers of blocks")
        }
    }

    /// All fields with their values, dotted keys.
    public var entries: [(key: String, value: String)] {
        // Writing down checked values throws nothing.
        (try? ConfigurationWriter.entries(of: self) { try $0.visit($1) }) ?? []
    }

    /// The whole configuration, defaults included, as a YAML file.
    public var yaml: String { ConfigurationWriter.yaml(entries) }
}

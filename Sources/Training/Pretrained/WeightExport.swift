import Checkpoints

/// Writes the weights of a checkpoint as a safetensors file under the official names.
public enum WeightExport {
    /// Which weights to write.
    public enum Weights: String, Sendable, CaseIterable {
        /// Those that training left.
        case raw
        /// Their averages, under the names of the weights.
        case averaged
        /// The raw weights, and beside them the averages as the official checkpoints name them: `model_ema.`, dots removed.
        case both
    }

    /// What was written.
    public struct Outcome: Sendable, Encodable {
        public let file: String
        public let checkpoint: String
        public let step: Int
        public let tensors: Int
        public let parameters: Int
        public let sha256: String
        /// A warning about the checkpoint, if there is one.
        public let warning: String?
    }

    /// Writes a file that `WeightImport` gives back bit for bit: completely or not at all.
    ///
    /// - Parameters:
    ///   - checkpoint: a checkpoint, an imported network, or the folder of a run (its newest checkpoint).
    ///   - progress: called with bytes done and all bytes.
    /// - Throws: `CheckpointError`, `TrainingError`, `FileError`.
    public static func write(
        checkpoint path: String, weights: Weights, to out: String, progress: (_ done: Int, _ all: Int) -> Void = { _, _ in }
    ) throws -> Outcome {
        let loaded = try TokenizerCheckpoint.load(path)
        let checkpoint = loaded.checkpoint
        var arrays: [SafetensorsWriter.Array] = []
        if weights != .averaged { arrays += try WeightExport.arrays("model", of: loaded) { $0 } }
        if weights != .raw { arrays += try WeightExport.arrays("ema", of: loaded) { weights == .both ? TokenizerNames.averageName($0) : $0 } }
        var metadata = [
            // What Hugging Face's libraries ask for.
            "format": "pt",
            "mvq_build": BuildVersion.current, "mvq_step": String(checkpoint.step), "mvq_weights": weights.rawValue,
            "mvq_kind": checkpoint.attributes["kind"]?.string ?? PretrainedKind.tokenizer.rawValue,
        ]
        metadata["mvq_config"] = checkpoint.attributes["config"]?.string
        let parameters = arrays.reduce(0) { $0 + $1.values.count }
        let sha256 = try SafetensorsWriter.write(arrays, metadata: metadata, to: out) { progress($0, parameters * MemoryLayout<Float>.size) }
        return Outcome(
            file: out, checkpoint: loaded.file, step: checkpoint.step, tensors: arrays.count, parameters: parameters, sha256: sha256,
            warning: checkpoint.attributes["kind"] == nil ? loaded.manifest.warning(for: loaded.file) : nil)
    }

    private static func arrays(
        _ group: String, of loaded: LoadedCheckpoint, name: (String) -> String
    ) throws -> [SafetensorsWriter.Array] {
        let arrays = loaded.checkpoint.arrays(under: "/\(group)")
        guard !arrays.isEmpty else {
            let what = group == "ema" ? "averaged weights; export it without --ema and --both" : "weights; name a checkpoint of training"
            throw TrainingError.unsuitableCheckpoint(file: loaded.file, reason: "holds no \(what)")
        }
        return arrays.map { SafetensorsWriter.Array(name: name($0.key), shape: $0.value.shape, values: $0.value.values) }
    }
}

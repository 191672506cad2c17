import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing
import Training

/// The full-size variants with fewer channels, pixels and blocks: every kind of layer they have, large enough for Winograd convolutions, norms in
/// several chunks and several merges. Without the losses that need other networks.
enum ReducedPreset: String, CaseIterable, CustomTestStringConvertible, Codable {
    case g, gr, r

    var testDescription: String { "tokenizer-\(rawValue)" }

    /// - Parameter deep: with all the blocks of the full size.
    func configuration(recompute: Recomputation = .none, deep: Bool = false) throws -> RunConfiguration {
        var overrides = [
            "model.channels": "32", "model.image_size": self == .g ? "64" : "128", "model.residual_blocks": deep ? "4" : "1",
            "model.attention_blocks": deep ? "12" : "3",
            "merging.kept_tokens": "36", "merging.candidates": "3", "model.encoder_heads": "4", "model.decoder_heads": "4",
            "model.source_recovery.width": "32", "model.source_recovery.heads": "4", "training.recompute": recompute.rawValue, "evaluation.kept_tokens": "[]",
        ]
        if self == .r { overrides["model.patch_width"] = "64" }
        // Sizes that depend on each other are given in one go, in any order.
        return try PresetTests.configuration(testDescription, overrides).tokenizerLossesOnly
    }
}

import NeuralNet

/// The names of MergeVQ tokenizer checkpoints: those of the official PyTorch code are ours. Its averaged weights lie under `model_ema.`, with the
/// dots of their names removed; other programs keep the dots or write underscores.
package enum TokenizerNames {
    private static let recoveryPrefix = "source_recovery."
    private static let prefixes = ["", "model.", "module.", "state_dict."]
    private static let averagePrefixes = ["model_ema.", "ema.", "ema_model."]
    /// How a name appears below the prefix of the averages.
    private static let averageForms: [(title: String, name: @Sendable (String) -> String)] = [
        ("dots removed", { $0.filter { $0 != "." } }), ("dots kept", { $0 }), ("underscores for dots", { String($0.map { $0 == "." ? "_" : $0 }) }),
    ]

    /// The official name of a parameter's average.
    package static func averageName(_ name: String) -> String { averagePrefixes[0] + averageForms[0].name(name) }

    /// The names for a tokenizer of this layout.
    package static func names(_ layout: ParameterLayout) -> WeightNames {
        let all = layout.parameters.map { ExpectedArray($0.name, $0.officialShape) }
        let model = all.filter { !$0.name.hasPrefix(recoveryPrefix) }
        let recovery = all.filter { $0.name.hasPrefix(recoveryPrefix) }
        var parts = [part("weights", "model", model, weightSpellings(model), nil)]
        parts.append(part("averaged weights", "ema", model, averageSpellings(model), "the weights themselves"))
        if !recovery.isEmpty {
            parts.append(part("source recovery", "model", recovery, weightSpellings(recovery), "its initial weights; train it before using it"))
            parts.append(part("averaged source recovery", "ema", recovery, averageSpellings(recovery), "what source recovery has"))
        }
        return WeightNames(kind: .tokenizer, parts: parts, harmless: harmless)
    }

    private static func part(
        _ title: String, _ group: String, _ expected: [ExpectedArray], _ spellings: [Spelling], _ substitute: String?
    ) -> NetworkPart {
        NetworkPart(title: title, group: group, expected: expected, spellings: spellings, substitute: substitute)
    }

    private static func weightSpellings(_ arrays: [ExpectedArray]) -> [Spelling] {
        let own = Spelling("MergeVQ", arrays.map { SourceArray($0.name, $0.shape, [$0.name]) })
        return prefixes.map(own.prefixed)
    }

    private static func averageSpellings(_ arrays: [ExpectedArray]) -> [Spelling] {
        averagePrefixes.flatMap { prefix in
            averageForms.map { form in
                Spelling("\(prefix) with \(form.title)", arrays.map { SourceArray(prefix + form.name($0.name), $0.shape, [$0.name]) })
            }
        }
    }

    private static let harmless = [
        HarmlessNames(below(["loss."]), "discriminator and perceptual network of the official training"),
        HarmlessNames(below(["recovery."]), "the official code's untrained source recovery, another architecture than ours"),
        HarmlessNames(below(["dist_model."]), "the official training's DINOv2 teacher (--kind dinov2)"),
        HarmlessNames(below(["encoder.dist_head."]), "alignment head, which this configuration does not have"),
        HarmlessNames(below(["quantize."]), "constants of the quantiser"),
        HarmlessNames(averagePrefixes.flatMap { [$0 + "decay", $0 + "num_updates"] }, "settings of the averaging"),
        HarmlessNames(["optimizer.*", "statistics.*", "discriminator.*"] + below(["disc."]), "state of a training run"),
    ]

    /// Patterns of a part of the official model and of its averages.
    private static func below(_ parts: [String]) -> [String] {
        parts.flatMap { part in
            prefixes.map { $0 + part + "*" } + averagePrefixes.flatMap { prefix in averageForms.map { prefix + $0.name(part) + "*" } }
        }
    }
}

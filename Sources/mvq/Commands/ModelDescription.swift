import Foundation
import MergeVQ
import NeuralNet
import Training

/// The model of a configuration in numbers: parameters by module, tokens, operations.
struct ModelDescription: Encodable {
    let config: String
    let imageSize: Int
    let fullTokens: Int
    /// K, the count aimed at, and all counts that training draws from.
    let keptTokens: Int
    let keptTokenCandidates: [Int]
    let bits: Int
    /// All that training changes: tokenizer, and with these losses alignment head and discriminator.
    let parameters: Int
    let modules: [ParameterCounts]
    let frozenNetworks: [FrozenNetwork]
    /// Floating-point operations of the tokenizer's forward pass over one image at K kept tokens: two for every multiply-add of convolutions,
    /// linear layers, attention and matching products.
    let forwardFlops: Flops

    struct Flops: Encodable {
        let encoder: Double
        let decoder: Double
        let encoderAndDecoder: Double
        let sourceRecovery: Double
    }

    /// A network that a loss needs and training does not change.
    struct FrozenNetwork: Encodable {
        let name: String
        let parameters: Int
        /// The key of the configuration that says where its weights come from, and what it says.
        let key: String
        let weights: String
    }

    init(_ configuration: RunConfiguration, file: String) {
        let tokenizer = configuration.tokenizer
        let model = StageOneModel(configuration.stageOne)
        let counts = ParameterCounts(model.layout)
        let pass = ForwardPass(tokenizer, kept: configuration.merging.keptTokens)
        config = file
        imageSize = tokenizer.imageSize
        fullTokens = tokenizer.fullTokens
        keptTokens = configuration.merging.keptTokens
        keptTokenCandidates = tokenizer.keptTokens.candidates
        bits = tokenizer.encoder.bits
        parameters = counts.parameters
        modules = counts.parts
        let entries = Dictionary(uniqueKeysWithValues: configuration.entries)
        func frozen(_ name: String, _ key: String, _ layout: ParameterLayout) -> FrozenNetwork {
            FrozenNetwork(name: name, parameters: layout.count, key: key, weights: entries[key] ?? "none")
        }
        frozenNetworks = [
            model.perceptual.map { frozen("perceptual network", "perceptual.network", $0.layout) },
            model.teacher.map { frozen("alignment teacher", "alignment.teacher", $0.layout) },
        ].compactMap(\.self)
        forwardFlops = Flops(
            encoder: pass.encoderFlops, decoder: pass.decoderFlops, encoderAndDecoder: pass.flops,
            sourceRecovery: pass.flops([.sourceRecovery]))
    }

    var text: String {
        var lines: [String] = []
        func add(_ module: ParameterCounts, depth: Int) {
            let name = String(repeating: "  ", count: depth) + module.name
            let share = String(format: "%6.1f %%", 100 * Double(module.parameters) / Double(parameters))
            lines.append(name.padded(to: 36) + grouped(module.parameters).leftPadded(to: 14) + share)
            for part in module.parts { add(part, depth: depth + 1) }
        }
        for module in modules { add(module, depth: 0) }
        lines.append("total".padded(to: 36) + grouped(parameters).leftPadded(to: 14))
        if !frozenNetworks.isEmpty { lines += ["", "not trained, and not in the total"] }
        for network in frozenNetworks {
            lines.append(network.name.padded(to: 36) + grouped(network.parameters).leftPadded(to: 14) + "  \(network.key): \(network.weights)")
        }
        lines.append("")
        lines.append(
            "images \(imageSize) × \(imageSize), \(fullTokens) tokens, of which \(keptTokens) are kept (drawn from "
                + keptTokenCandidates.map(String.init).joined(separator: ", ") + "), \(bits) bits each")
        lines.append(
            String(
                format: "the tokenizer's forward pass over one image, %d kept: encoder %.1f + decoder %.1f = %.1f GFLOP; source recovery %.1f", keptTokens,
                forwardFlops.encoder / 1e9, forwardFlops.decoder / 1e9, forwardFlops.encoderAndDecoder / 1e9,
                forwardFlops.sourceRecovery / 1e9))
        return "\(config): parameters\n\n" + lines.joined(separator: "\n")
    }
}

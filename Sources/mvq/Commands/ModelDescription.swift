import Foundation
import MergeVQ
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
    let parameters: Int
    let modules: [ParameterCounts]
    /// Floating-point operations of a forward pass over one image at K kept tokens: two for every multiply-add of convolutions, linear layers,
    /// attention and matching products.
    let forwardFlops: Flops

    struct Flops: Encodable {
        let encoder: Double
        let decoder: Double
        let encoderAndDecoder: Double
        let sourceRecovery: Double
    }

    init(_ configuration: RunConfiguration, file: String) {
        let tokenizer = configuration.tokenizer
        let counts = ParameterCounts(Tokenizer.build(tokenizer).1)
        let pass = ForwardPass(tokenizer, kept: configuration.merging.keptTokens)
        config = file
        imageSize = tokenizer.imageSize
        fullTokens = tokenizer.fullTokens
        keptTokens = configuration.merging.keptTokens
        keptTokenCandidates = tokenizer.keptTokens.candidates
        bits = tokenizer.encoder.bits
        parameters = counts.parameters
        modules = counts.parts
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
        lines.append("")
        lines.append(
            "images \(imageSize) × \(imageSize), \(fullTokens) tokens, of which \(keptTokens) are kept (drawn from "
                + keptTokenCandidates.map(String.init).joined(separator: ", ") + "), \(bits) bits each")
        lines.append(
            String(
                format: "forward pass over one image, %d kept: encoder %.1f + decoder %.1f = %.1f GFLOP; source recovery %.1f", keptTokens,
                forwardFlops.encoder / 1e9, forwardFlops.decoder / 1e9, forwardFlops.encoderAndDecoder / 1e9,
                forwardFlops.sourceRecovery / 1e9))
        return "\(config): parameters\n\n" + lines.joined(separator: "\n")
    }
}

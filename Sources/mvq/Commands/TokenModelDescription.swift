import MergeVQ
import NeuralNet
import Training

/// The model of a stage-2 configuration in numbers: parameters by module, codes.
struct TokenModelDescription: Encodable {
    let config: String
    let task: String
    /// `llamagen`, `mergear` or `randar`; nil for source recovery.
    let kind: String?
    let parameters: Int
    let modules: [ParameterCounts]
    /// Codes that an image has, or cells that source recovery fills.
    let cells: Int
    let bits: Int
    /// Nil if the token file will say.
    let classes: Int?
    /// What is as in the paper until a token file says otherwise.
    let assumed: [String]

    init(_ configuration: RunConfiguration, file: String) {
        let counts = ParameterCounts(configuration.trainedModel.layout)
        config = file
        task = configuration.task.rawValue
        (parameters, modules) = (counts.parameters, counts.parts)
        let open: [(key: String, isOpen: Bool)]
        if configuration.task == .recovery {
            let recovery = configuration.recovery
            let grid = recovery.grid ?? 16
            (kind, classes, cells, bits) = (nil, nil, grid * grid, recovery.bits ?? 18)
            open = [("recovery.grid", recovery.grid == nil), ("recovery.bits", recovery.bits == nil)]
        } else {
            let generator = configuration.generator
            let grid = generator.grid ?? 16
            (kind, classes, cells, bits) = (generator.kind.rawValue, generator.classes, grid * grid, generator.preBits + generator.postBits)
            open = [
                ("generator.classes", generator.classes == nil), ("generator.grid", generator.grid == nil),
                ("generator.least_kept", generator.kind == .mergear && generator.leastKept == nil),
                ("generator.most_kept", generator.kind == .mergear && generator.mostKept == nil),
            ]
        }
        assumed = open.filter(\.isOpen).map(\.key)
    }

    var text: String {
        var lines: [String] = []
        for module in modules {
            let share = String(format: "%6.1f %%", 100 * Double(module.parameters) / Double(parameters))
            lines.append(module.name.padded(to: 36) + grouped(module.parameters).leftPadded(to: 14) + share)
        }
        lines.append("total".padded(to: 36) + grouped(parameters).leftPadded(to: 14))
        lines += ["", "\(kind ?? "source recovery"): \(cells) \(kind == nil ? "cells" : "codes an image"), \(bits) bits each"]
        if !assumed.isEmpty { lines.append("as in the paper, until a token file says otherwise: \(assumed.joined(separator: ", "))") }
        return "\(config): parameters\n\n" + lines.joined(separator: "\n")
    }
}

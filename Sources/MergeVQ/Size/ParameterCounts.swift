import NeuralNet

/// How many parameters each module of a model has, as a tree whose leaves are the rows of spec 2.8, 4.2, 4.4 and 5.
public struct ParameterCounts: Sendable, Equatable, Encodable {
    public let name: String
    public private(set) var parameters = 0
    /// The modules inside, in the order of the layout; empty for a leaf.
    public private(set) var parts: [ParameterCounts] = []

    init(name: String) { self.name = name }

    /// Counts the parameters of a tokenizer, or of all that stage 1 trains, by their official names. What has no place in the tree counts under its first name.
    public init(_ layout: ParameterLayout) {
        self.init(name: "total")
        for parameter in layout.parameters { add(parameter.count, at: ParameterCounts.place(of: parameter.name)[...]) }
    }

    /// The module at a path of names, e.g. `["encoder", "attention blocks"]`.
    public subscript(path: String...) -> ParameterCounts? {
        path.reduce(self) { module, name in module?.parts.first { $0.name == name } }
    }

    private mutating func add(_ count: Int, at path: ArraySlice<String>) {
        parameters += count
        guard let name = path.first else { return }
        let index = parts.firstIndex { $0.name == name } ?? parts.endIndex
        if index == parts.endIndex { parts.append(ParameterCounts(name: name)) }
        parts[index].add(count, at: path.dropFirst())
    }

    /// Where a parameter belongs. The alignment heads stand beside the encoder: published encoder sizes do not contain them.
    private static func place(of parameter: String) -> [String] {
        let names = parameter.split(separator: ".").map(String.init)
        switch (names.first, names.dropFirst().first, names.dropFirst(2).first) {
        case ("encoder", "dist_head", _): return ["alignment head"]
        case ("encoder", "conv_in", _): return ["encoder", "stem", "conv_in"]
        case ("encoder", "down", let stage?):
            return ["encoder", "stem", "stage \(stage) " + (names.dropFirst(3).first == "downsample" ? "downsampling" : "residual blocks")]
        case ("encoder", "attn", "cls_token"): return ["encoder", "class token"]
        case ("encoder", "attn", _): return ["encoder", "attention blocks"]
        case ("encoder", _, _): return ["encoder", "head (norm_out, conv_out)"]
        case ("decoder", "conv_in", _): return ["decoder", "conv_in"]
        case ("decoder", "attn", "pos_embed"): return ["decoder", "position convolution"]
        case ("decoder", "attn", _): return ["decoder", "attention blocks"]
        case ("decoder", "adaptive", let stage?): return ["decoder", "adaptive group norms", "stage \(stage)"]
        case ("decoder", "up", let stage?):
            return ["decoder", "upsampler", "stage \(stage) " + (names.dropFirst(3).first == "upsample" ? "upsampling" : "residual blocks")]
        case ("decoder", _, _): return ["decoder", "head (norm_out, conv_out)"]
        case ("source_recovery", "blocks", _): return ["source recovery", "attention blocks"]
        case ("source_recovery", "rec_tokens", _): return ["source recovery", "queries"]
        case ("source_recovery", _, _): return ["source recovery", "embedding and head"]
        case ("disc", _, _): return ["discriminator"]
        default: return [names.first ?? parameter]
        }
    }
}

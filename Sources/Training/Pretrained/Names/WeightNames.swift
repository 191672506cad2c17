/// Name and shape of an array that a network needs.
public struct ExpectedArray: Sendable, Equatable, Encodable {
    public let name: String
    public let shape: [Int]

    public init(_ name: String, _ shape: [Int]) {
        self.name = name
        self.shape = shape
    }
}

/// One array of a foreign file, and the arrays that it becomes.
package struct SourceArray: Sendable, Equatable {
    /// Its name in the foreign file.
    package let name: String
    package let shape: [Int]
    /// Our names. Several share the rows evenly, in order: a fused `qkv` is query, key, value.
    package let targets: [String]

    package init(_ name: String, _ shape: [Int], _ targets: [String]) {
        self.name = name
        self.shape = shape
        self.targets = targets
    }
}

/// One way in which other software names the arrays of a network.
package struct Spelling: Sendable, Equatable {
    /// Whose names they are, e.g. `torchvision`.
    package let title: String
    package let arrays: [SourceArray]

    package init(_ title: String, _ arrays: [SourceArray]) {
        self.title = title
        self.arrays = arrays
    }

    /// The names under a prefix, e.g. `dinov2.`.
    package func prefixed(_ prefix: String) -> Spelling {
        guard !prefix.isEmpty else { return self }
        return Spelling("\(title) under \(prefix)", arrays.map { SourceArray(prefix + $0.name, $0.shape, $0.targets) })
    }
}

/// A part of a network that is there as a whole or not at all.
package struct NetworkPart: Sendable {
    package let title: String
    /// The group in our file, `model` or `ema`.
    package let group: String
    /// What the part needs, under our names.
    package let expected: [ExpectedArray]
    /// The ways in which a file may name it, the first being the one that complaints use.
    package let spellings: [Spelling]
    /// What stands in when a file has none of it; nil for a part that must be there.
    package let substitute: String?

    package init(title: String, group: String = "model", expected: [ExpectedArray], spellings: [Spelling], substitute: String? = nil) {
        self.title = title
        self.group = group
        self.expected = expected
        self.spellings = spellings
        self.substitute = substitute
    }
}

/// Arrays that a file may hold beside the network, and why that is fine.
package struct HarmlessNames: Sendable {
    /// Whole names, or beginnings of names where they end in `*`.
    package let patterns: [String]
    package let reason: String

    package init(_ patterns: [String], _ reason: String) {
        self.patterns = patterns
        self.reason = reason
    }

    package func match(_ name: String) -> Bool {
        patterns.contains { $0.hasSuffix("*") ? name.hasPrefix($0.dropLast()) : name == $0 }
    }
}

/// All names of one kind of network.
package struct WeightNames: Sendable {
    package let kind: PretrainedKind
    package let parts: [NetworkPart]
    package let harmless: [HarmlessNames]

    package init(kind: PretrainedKind, parts: [NetworkPart], harmless: [HarmlessNames]) {
        self.kind = kind
        self.parts = parts
        self.harmless = harmless
    }

    /// Everything of several networks in one file.
    package static func together(_ kind: PretrainedKind, _ networks: WeightNames...) -> WeightNames {
        WeightNames(kind: kind, parts: networks.flatMap(\.parts), harmless: networks.flatMap(\.harmless))
    }

    /// The names of a kind without settings; nil for the tokenizer, whose names follow from its configuration.
    /// - Parameter isSmall: of DINOv2, whether to take ViT-S/14 for ViT-B/14.
    package static func of(_ kind: PretrainedKind, isSmall: Bool = false) -> WeightNames? {
        switch kind {
        case .vgg16: VGG16Names.names
        case .lpips: LPIPSNames.names
        case .perceptual: together(.perceptual, VGG16Names.names, LPIPSNames.names)
        case .dinov2: DINOv2Names(isSmall ? .small : .base).names
        case .tokenizer: nil
        }
    }
}

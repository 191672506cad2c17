import Foundation
import Generators
import NeuralNet

extension RunConfiguration {
    /// The generator's architecture and what it learns (stage2 1–3). Defaults are the paper's.
    public struct Generator: Sendable, Equatable {
        /// In which order codes are predicted, and from what.
        public enum Kind: String, Sendable, CaseIterable {
            /// All cells in raster order, each from all before it.
            case llamagen
            /// The same, after a merge instruction, from the first occurrence of every code and the last few cells.
            case mergear
            /// The merged tokens in random order, each asked for by its position; where they belong says source recovery.
            case randar
        }

        public var kind = Kind.llamagen
        /// Blocks over the sequence, and over the two parts of a code.
        public var layers = 24
        public var intraLayers = 2
        public var width = 1024
        public var heads = 16
        /// The SwiGLU width is rounded up to a multiple of this.
        public var hiddenMultiple = 256
        /// Bits of the two parts of a code; their sum is that of the tokenizer.
        public var preBits = 6
        public var postBits = 12
        /// MergeAR's window W: the last cells that stay visible, the query's own included.
        public var window = 2
        /// MergeAR: which cells are of one group.
        public var maskGroups = TokenGroups.Equality.code
        /// Dropout of tokens and of both branches of every block.
        public var dropout = 0.1
        /// How often a label is left out, for guidance.
        public var classDropout = 0.1
        public var labelSmoothing = 0.1
        /// What the token file says, filled in when a run starts: classes, cells of a side (for RandAR of the merged tokens' grid), and for
        /// MergeAR the fewest and the most kept tokens.
        public var classes: Int?
        public var grid: Int?
        public var leastKept: Int?
        public var mostKept: Int?
        /// Digest of the tokenizer's weights that the tokens come from; filled in when a run starts.
        public var tokenizer: String?
    }

    /// The generator that this run trains. What the token file has not said yet is as in the paper: 1000 classes, 16 × 16 cells, K 144 to 256.
    public var generatorConfiguration: GeneratorConfiguration {
        let g = generator
        return GeneratorConfiguration(
            layers: g.layers, intraLayers: g.intraLayers, width: g.width, heads: g.heads, hiddenMultiple: g.hiddenMultiple,
            preBits: g.preBits, postBits: g.postBits, classes: g.classes ?? 1000, grid: g.grid ?? 16,
            mergeIDs: g.kind == .mergear ? keptSides.count : 0, positionInstruction: g.kind == .randar,
            dropout: .init(
                tokens: Float(g.dropout), attention: Float(g.dropout), feedForward: Float(g.dropout), classes: Float(g.classDropout)),
            labelSmoothing: Float(g.labelSmoothing))
    }

    /// √K of every K that a merge instruction stands for.
    var keptSides: ClosedRange<Int> {
        func side(_ count: Int) -> Int { Int(Double(count).squareRoot().rounded()) }
        return side(generator.leastKept ?? 144)...side(generator.mostKept ?? 256)
    }

    /// The merge instruction of K kept tokens: √K − √K of the fewest.
    public func mergeID(kept: Int) -> Float { Float(kept).squareRoot() - Float(keptSides.lowerBound) }

    /// The configuration with what a token file says.
    ///
    /// - Throws: `TrainingError.unsuitableTokens` if this generator cannot learn from it.
    func completed(for tokens: TokenFile) throws -> RunConfiguration {
        let (path, header) = (tokens.path, tokens.header)
        func refuse(_ reason: String) throws -> Never { throw TrainingError.unsuitableTokens(file: path, reason: reason) }
        func side(_ count: Int) throws -> Int {
            let side = Int(Double(count).squareRoot().rounded())
            guard side * side == count else {
                try refuse("has records of \(count) kept tokens, no square, for which \(generator.kind.rawValue) has no grid; tokenize with --keep of squares")
            }
            return side
        }
        let bits = generator.preBits + generator.postBits
        guard header.bits == bits else {
            try refuse(
                "holds codes of \(header.bits) bits, the generator's have \(generator.preBits) + \(generator.postBits);"
                    + " give --set generator.pre_bits=\(header.bits / 3) --set generator.post_bits=\(header.bits - header.bits / 3), or another tokenizer's file")
        }
        let counts = header.keptCounts
        var facts = generator
        facts.classes = header.classes
        facts.grid = header.grid
        facts.tokenizer = header.tokenizerDigest
        switch generator.kind {
        case .llamagen: break
        case .mergear:
            for count in counts { _ = try side(count) }
            (facts.leastKept, facts.mostKept) = (counts.first, counts.last)
        case .randar:
            guard counts.count == 1 else {
                try refuse(
                    "has records of \(counts.map(String.init).joined(separator: ", ")) kept tokens, randar learns one number;"
                        + " tokenize with --keep \(counts[0]), for example")
            }
            facts.grid = try side(counts[0])
        }
        // A given value is a claim that must hold.
        let pairs = [
            ("classes", generator.classes, facts.classes), ("grid", generator.grid, facts.grid), ("least_kept", generator.leastKept, facts.leastKept),
            ("most_kept", generator.mostKept, facts.mostKept),
        ]
        for (key, given, found) in pairs {
            if let given, given != found {
                try refuse("has \(key.replacing("_", with: " ")) \(found.map(String.init) ?? "none"), generator.\(key) says \(given); leave the key out")
            }
        }
        if let given = generator.tokenizer, given != facts.tokenizer {
            try refuse("holds tokens of tokenizer \(header.tokenizerDigest.prefix(16)), the run learns those of \(given.prefix(16)); give that tokenizer's file")
        }
        var result = self
        result.generator = facts
        return result
    }
}

extension RunConfiguration.Generator.Kind: ConfigurationChoice {}
extension TokenGroups.Equality: ConfigurationChoice {}

extension RunConfiguration.Generator {
    mutating func visit(_ fields: any ConfigurationVisitor) throws {
        func isSize(_ value: Int) -> Bool { (1...65_536).contains(value) }
        func isShare(_ value: Double) -> Bool { (0..<1).contains(value) }
        func isCount(_ value: Int?) -> Bool { value.map(isSize) ?? true }
        let (size, depth, share) = ("1 to 65536", "1 to 1024", "0 or more, and less than 1")
        try fields.field("kind", &kind)
        try fields.field("layers", &layers, must: depth) { (1...1024).contains($0) }
        try fields.field("intra_layers", &intraLayers, must: depth) { (1...1024).contains($0) }
        try fields.field("width", &width, must: size, isSize)
        let width = width
        try fields.field("heads", &heads, must: "a divisor of the width \(width) that leaves each head a multiple of 4 channels") {
            $0 >= 1 && width % $0 == 0 && width / $0 % 4 == 0
        }
        try fields.field("hidden_multiple", &hiddenMultiple, must: size, isSize)
        try fields.field("pre_bits", &preBits, must: "1 to 17") { (1...17).contains($0) }
        let most = 18 - preBits
        try fields.field("post_bits", &postBits, must: "1 to \(most), so that codes have 18 bits at most") { (1...most).contains($0) }
        try fields.field("window", &window, must: size, isSize)
        try fields.field("mask_groups", &maskGroups)
        try fields.field("dropout", &dropout, must: share, isShare)
        try fields.field("class_dropout", &classDropout, must: share, isShare)
        try fields.field("label_smoothing", &labelSmoothing, must: share, isShare)
        try fields.field("classes", &classes, must: "\(size), or none", isCount)
        try fields.field("grid", &grid, must: "1 to 255, or none") { $0.map { (1...255).contains($0) } ?? true }
        try fields.field("least_kept", &leastKept, must: "\(size), or none", isCount)
        let least = leastKept ?? 1
        try fields.field("most_kept", &mostKept, must: "\(least) or more, or none") { $0.map { isSize($0) && $0 >= least } ?? true }
        try fields.field("tokenizer", &tokenizer)
    }
}

extension RunConfiguration {
    /// Before a file is read: what other tasks than a tokenizer's begin with (stage2 1.7).
    mutating func setDefaults(of task: Task) {
        self.task = task
        switch task {
        case .tokenizer, .tokenize, .generate: return
        case .generator:
            optimizer.learningRate = 4e-4
            optimizer.weightDecay = 0.05
            optimizer.gradientClip = 1
        case .recovery:
            optimizer.learningRate = 1e-4
            optimizer.weightDecay = 0.01
        }
        (optimizer.beta1, optimizer.beta2) = (0.9, 0.95)
        optimizer.emaDecay = 0
    }
}

import TensorCore

/// The settings of a class-conditional transformer over factorised codes (stage-2 spec 1.1–1.6, 2.4, 3.1).
public struct GeneratorConfiguration: Sendable, Equatable {
    /// How often training drops what (spec 1.3); sampling drops nothing.
    public struct Dropout: Sendable, Equatable {
        /// Of elements of the embedded sequence.
        public var tokens: Float
        /// Of elements of the attention's output.
        public var attention: Float
        /// Of elements of the feed-forward's output.
        public var feedForward: Float
        /// Of labels, which become the null class.
        public var classes: Float

        public init(tokens: Float = 0.1, attention: Float = 0.1, feedForward: Float = 0.1, classes: Float = 0.1) {
            self.tokens = tokens
            self.attention = attention
            self.feedForward = feedForward
            self.classes = classes
        }

        public static let none = Dropout(tokens: 0, attention: 0, feedForward: 0, classes: 0)
    }

    /// Blocks over the sequence.
    public var layers: Int
    /// Blocks over the two parts of one code.
    public var intraLayers: Int
    /// Token width d.
    public var width: Int
    public var heads: Int
    /// Heads of keys and values, each shared by heads / keyValueHeads query heads.
    public var keyValueHeads: Int
    /// The SwiGLU width is rounded up to a multiple of this.
    public var hiddenMultiple: Int
    /// A factor on the SwiGLU width before it is rounded.
    public var hiddenFactor: Double
    /// Bits of the two parts of a code, the less significant first.
    public var preBits: Int
    public var postBits: Int
    /// Classes without the null class, whose row is number `classes`.
    public var classes: Int
    /// Cells per side of an image's grid, √L.
    public var grid: Int
    /// Rows of the table of merge instructions (MergeAR); 0: no such token.
    public var mergeIDs: Int
    /// Whether there is a position-instruction vector (RandAR).
    public var positionInstruction: Bool
    /// What rotation does to the class and merge tokens.
    public var prefixRotation: RotaryTable.PrefixRotation
    public var dropout: Dropout
    /// ε of the loss.
    public var labelSmoothing: Float

    public init(
        layers: Int, intraLayers: Int, width: Int, heads: Int, keyValueHeads: Int? = nil, hiddenMultiple: Int = 256, hiddenFactor: Double = 1,
        preBits: Int = 6, postBits: Int = 12, classes: Int = 1000, grid: Int = 16, mergeIDs: Int = 0, positionInstruction: Bool = false,
        prefixRotation: RotaryTable.PrefixRotation = .zero, dropout: Dropout = Dropout(), labelSmoothing: Float = 0
    ) {
        precondition(width % heads == 0 && width / heads % 4 == 0, "width \(width) for \(heads) heads, whose channels must divide by 4")
        self.layers = layers
        self.intraLayers = intraLayers
        self.width = width
        self.heads = heads
        self.keyValueHeads = keyValueHeads ?? heads
        self.hiddenMultiple = hiddenMultiple
        self.hiddenFactor = hiddenFactor
        self.preBits = preBits
        self.postBits = postBits
        self.classes = classes
        self.grid = grid
        self.mergeIDs = mergeIDs
        self.positionInstruction = positionInstruction
        self.prefixRotation = prefixRotation
        self.dropout = dropout
        self.labelSmoothing = labelSmoothing
    }

    public var headWidth: Int { width / heads }
    /// L, the codes of an image.
    public var cells: Int { grid * grid }
    /// P: the tokens before those of the image. The output at the last one predicts the first code.
    public var prefixSlots: Int { mergeIDs > 0 ? 2 : 1 }
    /// The row of the class table that stands for no class.
    public var nullClass: Int { classes }
    /// Values of the two parts of a code.
    public var preCodes: Int { 1 << preBits }
    public var postCodes: Int { 1 << postBits }

    /// The SwiGLU width.
    public var hidden: Int {
        GeneratorConfiguration.hiddenWidth(of: width, multiple: hiddenMultiple, factor: hiddenFactor)
    }

    /// ⌊⌊2·4d/3⌋ · factor⌋, rounded up to a multiple (spec 1.1).
    public static func hiddenWidth(of width: Int, multiple: Int, factor: Double = 1) -> Int {
        let hidden = Int((Double(8 * width / 3) * factor).rounded(.down))
        return (hidden + multiple - 1) / multiple * multiple
    }
}

/// A setting, or data from outside, that no tokens can be drawn with.
public enum SamplingError: Error, Equatable, CustomStringConvertible {
    /// A temperature below zero, or no number.
    case temperature(Double)
    /// A count of logits below zero.
    case topK(Int)
    /// A share outside (0, 1].
    case topP(Double)
    /// A guidance scale that is no number.
    case guidanceScale(Double)
    /// An exponent of a guidance schedule that is not above zero.
    case guidanceExponent(Double)
    /// The logits a model gave have no largest one to draw by.
    case unusableLogits
    /// A count of kept tokens that is no square, so that it has no grid.
    case notSquare(Int)
    /// Bounds of kept-token counts that are no ascending squares.
    case keptTokenBounds(smallest: Int, largest: Int)
    /// The rate of eq. 15 is not above zero.
    case rate(Double)
    /// Parallel decoding of no tokens, or in no steps.
    case decoding(tokens: Int, steps: Int)
    /// A decoding order that is no permutation of its slots.
    case notPermutation(count: Int)
    /// A raster cell belongs to a token that does not exist.
    case ownerOutside(cell: Int, owner: Int, tokens: Int)
    /// A merged token has no cell.
    case tokenWithoutCell(Int)
    /// A class the model does not know.
    case classOutside(Int, classes: Int)
    /// A count of kept tokens outside 1 … L.
    case keptTokens(Int, cells: Int)
    /// A merge instruction that is no number.
    case mergeID(Double)
    /// A window of the compressed cache below 1.
    case window(Int)
    /// An order of generation that the model was not trained for.
    case orderOfModel(asked: String, trained: String)

    public var description: String {
        switch self {
        case .temperature(let value): "temperature \(value): it must be a number of at least 0"
        case .topK(let value): "top-k \(value): it must be at least 0 (0 keeps all)"
        case .topP(let value): "top-p \(value): it must be above 0 and at most 1 (1 keeps all)"
        case .guidanceScale(let value): "guidance scale \(value): it must be a finite number (1 is no guidance)"
        case .guidanceExponent(let value): "guidance exponent \(value): it must be a finite number above 0"
        case .unusableLogits: "the model's logits are not finite numbers: the weights are unusable; take an earlier checkpoint"
        case .notSquare(let count): "\(count) kept tokens have no square grid: take a square, for example 144 or 256"
        case .keptTokenBounds(let smallest, let largest):
            "kept tokens from \(smallest) to \(largest): both must be squares, the smaller one first"
        case .rate(let value): "rate \(value) of eq. 15: it must be a finite number above 0"
        case .decoding(let tokens, let steps): "\(tokens) tokens in \(steps) decoding steps: there must be at least one of each"
        case .notPermutation(let count): "the decoding order is no permutation of 0..<\(count)"
        case .ownerOutside(let cell, let owner, let tokens):
            "cell \(cell) belongs to token \(owner) of \(tokens): the token record is damaged; extract the tokens anew"
        case .classOutside(let label, let classes): "class \(label): the model knows classes 0 to \(classes - 1)"
        case .keptTokens(let count, let cells): "\(count) kept tokens: an image of this model has \(cells) cells, so take 1 to \(cells)"
        case .mergeID(let value): "merge id \(value): it must be a number"
        case .window(let value): "window \(value): it must be at least 1"
        case .orderOfModel(let asked, let trained):
            "generation in \(asked) order: the model was trained for \(trained) order; ask for that, or take another checkpoint"
        case .tokenWithoutCell(let token): "token \(token) has no cell: the token record is damaged; extract the tokens anew"
        }
    }
}

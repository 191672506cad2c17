/// One tensor operation of a forward pass over one image, by kind and shape. Maps are square, of `side` × `side` pixels; a convolution's `side` is
/// that of its input.
public enum ModelOperation: Hashable, Sendable {
    case convolution(inputs: Int, outputs: Int, kernel: Int, stride: Int, side: Int)
    /// 3×3, one kernel a channel.
    case depthwise(channels: Int, side: Int)
    case linear(rows: Int, inputs: Int, outputs: Int)
    /// Scores, softmax and weighted sum of all heads, without the projections.
    case attention(queries: Int, keys: Int, heads: Int, headWidth: Int)
    /// Matching of `tokens` (class token included) by keys of `keyWidth`, and the merge of `merges` of them.
    case merging(tokens: Int, merges: Int, keyWidth: Int, width: Int)
    /// Queries against keys without softmax: the source-recovery model's output.
    case scores(queries: Int, keys: Int, width: Int)
    case groupNorm(positions: Int, channels: Int, groups: Int, silu: Bool)
    /// Group norm whose gain and bias come from the codes, per image.
    case adaptiveGroupNorm(positions: Int, channels: Int, groups: Int)
    case layerNorm(rows: Int, width: Int)
    case gelu(rows: Int, width: Int)
    /// x + gain ⊙ branch
    case layerScale(rows: Int, width: Int)
    case addition(rows: Int, width: Int)
    /// `channels` → a quarter of them on a map of twice the side.
    case depthToSpace(channels: Int, side: Int)
    /// Both entropies of the code distributions.
    case codeEntropy(tokens: Int, bits: Int)

    /// Floating-point operations as the specification counts them (performance.md §3): two for every multiply-add of convolutions, linear
    /// layers, attention and matching products by their definition, whatever the algorithm; none for norms, activations and losses.
    public var flops: Double {
        // Of absurd sizes the product is far beyond an Int.
        func product(_ factors: Int...) -> Double { factors.reduce(2) { $0 * Double($1) } }
        switch self {
        case .convolution(let inputs, let outputs, let kernel, let stride, let side):
            return product(inputs, outputs, kernel, kernel, side / stride, side / stride)
        case .depthwise(let channels, let side): return product(9, channels, side, side)
        case .linear(let rows, let inputs, let outputs): return product(rows, inputs, outputs)
        case .attention(let queries, let keys, let heads, let headWidth): return product(2, queries, keys, heads, headWidth)
        case .merging(let tokens, _, let keyWidth, _): return product((tokens + 1) / 2, tokens / 2, keyWidth)
        case .scores(let queries, let keys, let width): return product(queries, keys, width)
        case .groupNorm, .adaptiveGroupNorm, .layerNorm, .gelu, .layerScale, .addition, .depthToSpace, .codeEntropy: return 0
        }
    }

    /// Elements of the weight that it multiplies with, without bias.
    public var weightCount: Int {
        switch self {
        case .convolution(let inputs, let outputs, let kernel, _, _): inputs * outputs * kernel * kernel
        case .depthwise(let channels, _): 9 * channels
        case .linear(_, let inputs, let outputs): inputs * outputs
        default: 0
        }
    }
}

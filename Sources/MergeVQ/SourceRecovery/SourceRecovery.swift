import NeuralNet
import TensorCore

/// The source-recovery model's settings (spec 4.4).
public struct SourceRecoveryConfiguration: Sendable, Equatable {
    public var width: Int
    public var heads: Int
    public var crossAttentionBlocks: Int
    public var selfAttentionBlocks: Int
    /// Start of the LayerScale gains; nil for none.
    public var layerScale: Float?
    /// Factor on the final scores; 1/√width unless a checkpoint wants otherwise.
    public var scoreFactor: Float

    public init(
        width: Int, heads: Int, crossAttentionBlocks: Int, selfAttentionBlocks: Int, layerScale: Float? = nil, scoreFactor: Float? = nil
    ) {
        self.width = width
        self.heads = heads
        self.crossAttentionBlocks = crossAttentionBlocks
        self.selfAttentionBlocks = selfAttentionBlocks
        self.layerScale = layerScale
        self.scoreFactor = scoreFactor ?? 1 / Float(width).squareRoot()
    }
}

/// Predicts which kept token each position came from (eq. 8): L learnable queries look at the K quantised tokens, then at each other, and
/// are scored against the tokens. Equivariant in the order of the tokens; any K.
public struct SourceRecovery: Sendable {
    let configuration: SourceRecoveryConfiguration
    let queries: Parameter
    let embed: Linear
    let normIn: LayerNorm
    let blocks: [RecoveryBlock]
    let head: Linear

    /// - Parameters:
    ///   - positions: L, the number of queries.
    ///   - bits: the width of a code.
    public init(_ scope: ParameterScope, _ configuration: SourceRecoveryConfiguration, positions: Int, bits: Int) {
        self.configuration = configuration
        queries = scope.parameter("rec_tokens", [1, positions, configuration.width], transformerInitialiser)
        embed = Linear(scope / "rec_embed", inputs: bits, outputs: configuration.width, initialiser: transformerInitialiser)
        normIn = LayerNorm(scope / "norm_in", width: configuration.width)
        blocks = (0..<(configuration.crossAttentionBlocks + configuration.selfAttentionBlocks)).map {
            RecoveryBlock(scope / "blocks" / $0, configuration, cross: $0 < configuration.crossAttentionBlocks)
        }
        head = Linear(scope / "rec_head", inputs: configuration.width, outputs: configuration.width, initialiser: transformerInitialiser)
    }

    /// Codes `[B, K, bits]` → scores `[B, L, K]` before the softmax over K.
    public func callAsFunction(_ z: Variable) -> Variable {
        let tokens = normIn(embed(z))
        let positions = queries.shape[1]
        var q = z.graph[queries].repeated(batch: z.shape[0], rows: positions)
        for block in blocks { q = block(q, tokens: tokens) }
        return head(q).scores(against: head(tokens), factor: configuration.scoreFactor)
    }
}

/// Attention (on the tokens, or among the queries) and MLP, pre-norm, with optional LayerScale.
struct RecoveryBlock: Sendable {
    enum Attention: Sendable {
        case cross(q: Linear, kv: Linear, proj: Linear)
        case among(SelfAttention)
    }

    let attention: Attention
    let heads: Int
    let norm1: LayerNorm
    let mlp: MLP
    let norm2: LayerNorm
    let scale1: LayerScale?
    let scale2: LayerScale?

    init(_ scope: ParameterScope, _ c: SourceRecoveryConfiguration, cross: Bool) {
        scale1 = c.layerScale.map { LayerScale(scope, name: "gamma1", width: c.width, start: $0) }
        scale2 = c.layerScale.map { LayerScale(scope, name: "gamma2", width: c.width, start: $0) }
        if cross {
            attention = .cross(
                q: Linear(scope / "q", inputs: c.width, outputs: c.width, initialiser: transformerInitialiser),
                kv: Linear(scope / "kv", inputs: c.width, outputs: 2 * c.width, initialiser: transformerInitialiser),
                proj: Linear(scope / "proj", inputs: c.width, outputs: c.width, initialiser: transformerInitialiser))
        } else {
            attention = .among(SelfAttention(scope, width: c.width, heads: c.heads))
        }
        heads = c.heads
        norm1 = LayerNorm(scope / "norm1", width: c.width)
        mlp = MLP(scope / "mlp", width: c.width, hidden: 4 * c.width)
        norm2 = LayerNorm(scope / "norm2", width: c.width)
    }

    func callAsFunction(_ x: Variable, tokens: Variable) -> Variable {
        x.graph.block(x, tokens) { [self] inputs in
            let (x, tokens, graph) = (inputs[0], inputs[1], inputs[0].graph)
            let normalised = graph.rematerialised { [norm1] in norm1(x) }
            let branch: Variable
            switch attention {
            case .cross(let q, let kv, let proj):
                branch = proj(q(normalised).crossAttention(keysAndValues: kv(tokens), heads: heads))
            case .among(let attention):
                branch = attention(normalised).output
            }
            let y = scale1?(x, branch: branch) ?? x + branch
            let second = mlp(graph.rematerialised { [norm2] in norm2(y) })
            return scale2?(y, branch: second) ?? y + second
        }
    }
}

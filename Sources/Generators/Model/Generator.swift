import NeuralNet
import TensorCore

/// A class-conditional transformer that predicts an image's codes one after the other, each in two parts (stage-2 spec 1): blocks over the
/// sequence give a state for every position, and two more blocks over (state, first part) give the scores of the first and the second part.
///
/// ```swift
/// let (generator, layout) = Generator.build(.large)
/// let pass = generator(images, dropout: dropout, in: graph)
/// graph.backward(from: pass.loss.total)
/// ```
public struct Generator: Sendable {
    public let configuration: GeneratorConfiguration
    let preTable: Embedding
    let postTable: Embedding
    let classTable: Embedding
    let mergeTable: Embedding?
    let positionInstruction: Parameter?
    let spatialBlocks: [GeneratorBlock]
    let intraBlocks: [GeneratorBlock]
    let norm: RMSNorm
    let preHead: Linear
    let postHead: Linear
    /// Angles of prefix slots and grid cells.
    public let rotary: RotaryTable
    /// Angles of the two parts of a code: the state's slot is a prefix, the first part stands at cell 0 (spec 1.5).
    let intraTable: RotaryTable

    /// Registers `pre_emb`, `post_emb`, `class_emb`, `spatial_blocks.…`, `factorized_blocks.…`, `norm`, `head.0`, `head.1` and, where the
    /// configuration has them, `merge_emb` and `pos_instruct_embeddings`.
    public init(_ scope: ParameterScope, _ configuration: GeneratorConfiguration) {
        let c = configuration
        self.configuration = c
        preTable = Embedding(scope / "pre_emb", rows: c.preCodes, width: c.width, initialiser: generatorInitialiser)
        postTable = Embedding(scope / "post_emb", rows: c.postCodes, width: c.width, initialiser: generatorInitialiser)
        classTable = Embedding(scope / "class_emb" / "embedding_table", rows: c.classes + 1, width: c.width, initialiser: generatorInitialiser)
        spatialBlocks = (0..<c.layers).map { GeneratorBlock(scope / "spatial_blocks" / $0, c) }
        intraBlocks = (0..<c.intraLayers).map { GeneratorBlock(scope / "factorized_blocks" / $0, c) }
        norm = RMSNorm(scope / "norm", width: c.width)
        preHead = Linear(scope / "head" / 0, inputs: c.width, outputs: c.preCodes, bias: false, initialiser: .zeros)
        postHead = Linear(scope / "head" / 1, inputs: c.width, outputs: c.postCodes, bias: false, initialiser: .zeros)
        mergeTable =
            c.mergeIDs > 0 ? Embedding(scope / "merge_emb", rows: c.mergeIDs, width: c.width, initialiser: generatorInitialiser) : nil
        positionInstruction =
            c.positionInstruction ? scope.parameter("pos_instruct_embeddings", [1, c.width], generatorInitialiser) : nil
        rotary = RotaryTable(headWidth: c.headWidth, grid: c.grid, prefix: c.prefixSlots, prefixRotation: c.prefixRotation)
        intraTable = RotaryTable(headWidth: c.headWidth, grid: 1, prefix: 1, prefixRotation: c.prefixRotation)
    }

    /// A generator and the layout of its weights; allocates no weights.
    public static func build(_ configuration: GeneratorConfiguration) -> (Generator, ParameterLayout) {
        ParameterLayout.build { Generator($0, configuration) }
    }

    // MARK: Embeddings

    /// Class and, if the model has one, merge tokens: `[B, P, width]`.
    ///
    /// - Parameters:
    ///   - classes: one a sample; `configuration.nullClass` for none.
    ///   - mergeIDs: one a sample, √K − √K_min; between two rows of the table they are interpolated (spec 2.4, step 3). Empty without the token.
    public func prefix(classes: [Int32], mergeIDs: [Float] = [], in graph: Graph) -> Variable {
        precondition(mergeIDs.count == (mergeTable == nil ? 0 : classes.count), "\(mergeIDs.count) merge instructions")
        let tokens = classTable(classes, batch: classes.count, in: graph)
        guard let mergeTable else { return tokens }
        let ids = mergeIDs.map { min(max($0, 0), Float(configuration.mergeIDs - 1)) }
        let lower = ids.map { Int32($0) }
        let fractions = zip(ids, lower).map { $0 - Float($1) }
        let rows = mergeTable(lower, batch: classes.count, in: graph)
        guard fractions.contains(where: { $0 > 0 }) else { return tokens.followed(by: rows) }
        let upper = lower.map { min($0 + 1, Int32(configuration.mergeIDs - 1)) }
        func weights(_ factors: [Float]) -> Tensor { Tensor(factors.flatMap { [Float](repeating: $0, count: configuration.width) }, rows.shape) }
        let next = mergeTable(upper, batch: classes.count, in: graph)
        return tokens.followed(by: rows.multiplied(by: weights(fractions.map { 1 - $0 })) + next.multiplied(by: weights(fractions)))
    }

    /// Codes as tokens, `[B, t, width]`: the sum of the rows of both parts. Sequences lie one after the other.
    public func tokens(pre: [Int32], post: [Int32], batch: Int, in graph: Graph) -> Variable {
        preTable(pre, batch: batch, in: graph) + postTable(post, batch: batch, in: graph)
    }

    /// The position-instruction vector rotated to the given cells, one list a sample: `[B, n, width]` (spec 3.1).
    public func positionInstructions(cells: [[Int]], in graph: Graph) -> Variable {
        guard let positionInstruction else { preconditionFailure("a generator without position instructions") }
        let rotation = rotary.rotation(rows: cells.map { $0.map { rotary.prefix + $0 } })
        let (batch, count, width) = (cells.count, cells.first?.count ?? 0, configuration.width)
        return graph[positionInstruction].repeated(batch: batch * count, rows: 1).reshaped([batch, count, width]).rotatedHeads(by: rotation)
    }

    // MARK: Blocks

    /// The states of a sequence of embedded tokens `[B, T, width]` after the blocks over the sequence, not normalised.
    public func states(_ sequence: Variable, rotation: Rotation, mask: AttentionMask, dropout: GeneratorDropout? = nil) -> Variable {
        var x = sequence
        for (layer, block) in spatialBlocks.enumerated() {
            x = block(
                x, rotation: rotation, mask: mask,
                dropout: .init(
                    attention: dropout?[.attention(layer: layer), x.shape], feedForward: dropout?[.feedForward(layer: layer), x.shape]))
        }
        return x
    }

    /// The scores of the codes that states `[B, n, width]` predict. The second part's depend on the first, so this is given: the code's own
    /// (teacher forcing), or the one just drawn.
    public func scores(_ states: Variable, pre: [Int32], dropout: GeneratorDropout? = nil) -> Scores {
        let (batch, length, width) = (states.shape[0], states.shape[1], states.shape[2])
        let count = batch * length
        precondition(pre.count == count, "\(pre.count) first parts for \(count) states")
        var x = states.reshaped([count, 1, width]).followed(by: preTable(pre, batch: count, in: states.graph))
        for (layer, block) in intraBlocks.enumerated() {
            x = block(
                x, rotation: intraTable.rotation(rows: [0, 1]), mask: .causal(2),
                dropout: .init(
                    attention: dropout?[.intraAttention(layer: layer), x.shape],
                    feedForward: dropout?[.intraFeedForward(layer: layer), x.shape]))
        }
        let normalised = norm(x)
        func slot(_ index: Int) -> Variable { normalised.rows(from: index, count: 1).reshaped([batch, length, width]) }
        return Scores(pre: preHead(slot(0)), post: postHead(slot(1)))
    }

    /// The scores of both parts of codes: `[B, n, 2^preBits]` and `[B, n, 2^postBits]`.
    public struct Scores {
        public let pre: Variable
        public let post: Variable
    }
}

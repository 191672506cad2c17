import NeuralNet
import TensorCore

/// N(0, 0.02²), the start of every linear layer and table of a generator (spec 1.3).
let generatorInitialiser = Initialiser.normal(deviation: 0.02)

/// W₂(SiLU(W₁x) ⊙ W₃x), without biases.
package struct GatedFeedForward: Sendable {
    let gate: Linear
    let down: Linear
    let up: Linear

    /// Registers `w1`, `w3` `[hidden, width]` and `w2` `[width, hidden]`.
    package init(_ scope: ParameterScope, width: Int, hidden: Int) {
        gate = Linear(scope / "w1", inputs: width, outputs: hidden, bias: false, initialiser: generatorInitialiser)
        up = Linear(scope / "w3", inputs: width, outputs: hidden, bias: false, initialiser: generatorInitialiser)
        down = Linear(scope / "w2", inputs: hidden, outputs: width, bias: false, initialiser: generatorInitialiser)
    }

    /// x `[…, width]` → the same shape.
    package func callAsFunction(_ x: Variable) -> Variable {
        let (gate, up) = (gate(x), up(x))
        return down(x.graph.rematerialised { gate.gating(up) })
    }
}

/// Attention with rotated queries and keys, without biases (spec 1.3, 1.4).
package struct RotaryAttention: Sendable {
    let projections: Linear
    let output: Linear
    let heads: Int
    let keyValueHeads: Int

    /// Registers `wqkv` (rows: queries, keys, values) and `wo`.
    package init(_ scope: ParameterScope, width: Int, heads: Int, keyValueHeads: Int) {
        let headWidth = width / heads
        projections = Linear(
            scope / "wqkv", inputs: width, outputs: (heads + 2 * keyValueHeads) * headWidth, bias: false, initialiser: generatorInitialiser)
        output = Linear(scope / "wo", inputs: width, outputs: width, bias: false, initialiser: generatorInitialiser)
        self.heads = heads
        self.keyValueHeads = keyValueHeads
    }

    /// Queries, keys and values `[B, t, 3·width]`, queries and keys rotated, keys and values repeated for the heads that share them.
    func rotated(_ x: Variable, by rotation: Rotation) -> Variable {
        projections(x).rotatedProjections(heads: heads, keyValueHeads: keyValueHeads, by: rotation)
    }

    package func callAsFunction(_ x: Variable, rotation: Rotation, mask: AttentionMask) -> Variable {
        output(rotated(x, by: rotation).selfAttention(heads: heads, keyBias: nil, mask: mask))
    }
}

/// A pre-norm block: x + attention(norm x), then h + feedForward(norm h).
package struct GeneratorBlock: Sendable {
    /// What dropout multiplies the two branches with; nil for nothing.
    package struct Dropout: Sendable {
        package var attention: DropoutFactors?
        package var feedForward: DropoutFactors?

        package init(attention: DropoutFactors? = nil, feedForward: DropoutFactors? = nil) {
            self.attention = attention
            self.feedForward = feedForward
        }
    }

    let attentionNorm: RMSNorm
    let attention: RotaryAttention
    let feedForwardNorm: RMSNorm
    let feedForward: GatedFeedForward

    /// Registers `attention`, `feed_forward`, `attention_norm` and `ffn_norm`.
    package init(_ scope: ParameterScope, width: Int, heads: Int, keyValueHeads: Int, hidden: Int) {
        attention = RotaryAttention(scope / "attention", width: width, heads: heads, keyValueHeads: keyValueHeads)
        feedForward = GatedFeedForward(scope / "feed_forward", width: width, hidden: hidden)
        attentionNorm = RMSNorm(scope / "attention_norm", width: width)
        feedForwardNorm = RMSNorm(scope / "ffn_norm", width: width)
    }

    init(_ scope: ParameterScope, _ c: GeneratorConfiguration) {
        self.init(scope, width: c.width, heads: c.heads, keyValueHeads: c.keyValueHeads, hidden: c.hidden)
    }

    /// x `[B, t, width]` → the same shape.
    package func callAsFunction(_ x: Variable, rotation: Rotation, mask: AttentionMask, dropout: Dropout = Dropout()) -> Variable {
        x.graph.block(x) { [self] inputs in
            let (x, graph) = (inputs[0], inputs[0].graph)
            let branch = attention(graph.rematerialised { [attentionNorm] in attentionNorm(x) }, rotation: rotation, mask: mask)
            return finished(dropout.attention.map { x.adding(branch, dropout: $0) } ?? x + branch, dropout: dropout.feedForward)
        }
    }

    /// The second half: h + feedForward(norm h).
    func finished(_ h: Variable, dropout: DropoutFactors? = nil) -> Variable {
        let branch = feedForward(h.graph.rematerialised { [feedForwardNorm] in feedForwardNorm(h) })
        return dropout.map { h.adding(branch, dropout: $0) } ?? h + branch
    }
}

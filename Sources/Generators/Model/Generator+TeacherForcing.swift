import NeuralNet
import TensorCore

extension Generator {
    /// Images to learn, whose codes stand in raster order, one image after the other.
    public struct Images: Sendable {
        public let classes: [Int32]
        /// The first and the second part of every code, `[B · L]`.
        public let pre: [Int32]
        public let post: [Int32]
        /// √K − √K_min of every image; empty for models without merge tokens.
        public let mergeIDs: [Float]

        public init(classes: [Int32], pre: [Int32], post: [Int32], mergeIDs: [Float] = []) {
            precondition(!classes.isEmpty && pre.count % classes.count == 0 && post.count == pre.count, "codes of \(classes.count) images")
            self.classes = classes
            self.pre = pre
            self.post = post
            self.mergeIDs = mergeIDs
        }

        public var count: Int { classes.count }
        /// L
        public var cells: Int { pre.count / classes.count }
    }

    /// What one pass over images gives.
    public struct Pass {
        /// States at the positions that predict codes, before the blocks over a code's parts: `[B, L, width]`.
        public let states: Variable
        public let scores: Scores
        public let loss: Loss
    }

    /// The training loss (spec 1.6).
    public struct Loss {
        /// The sum of both parts' cross-entropies with smoothed labels: what training goes back from.
        public let total: Variable
        /// −log p of the first and second parts without smoothing, in nats, means over all codes.
        public let pre: Double
        public let post: Double

        /// Nats a code, without smoothing.
        public var negativeLogLikelihood: Double { pre + post }
    }

    /// Scores and loss of images in raster order (spec 1.3): the sequence is the prefix and all codes but the last, and the output at position
    /// P − 1 + n predicts code n.
    ///
    /// - Parameter mask: `[T, T]`, T = P + L − 1; causal if nil.
    public func callAsFunction(_ images: Images, mask: AttentionMask? = nil, dropout: GeneratorDropout? = nil, in graph: Graph) -> Pass {
        let (cells, batch) = (images.cells, images.count)
        let length = configuration.prefixSlots + cells - 1
        precondition(cells == configuration.cells, "images of \(cells) codes for a generator of \(configuration.cells)")
        let classes = dropout?.applied(to: images.classes, nullClass: configuration.nullClass) ?? images.classes
        var sequence = prefix(classes: classes, mergeIDs: images.mergeIDs, in: graph)
        if cells > 1 {
            func inputs(_ parts: [Int32]) -> [Int32] { (0..<batch).flatMap { parts[($0 * cells)..<(($0 + 1) * cells - 1)] } }
            sequence = sequence.followed(by: tokens(pre: inputs(images.pre), post: inputs(images.post), batch: batch, in: graph))
        }
        sequence = dropout?.dropping(.tokens, of: sequence) ?? sequence
        let all = states(
            sequence, rotation: rotary.rotation(rows: Array(0..<length)), mask: mask ?? .causal(length), dropout: dropout)
        let predicting = configuration.prefixSlots == 1 ? all : all.rows(from: configuration.prefixSlots - 1, count: cells)
        let scores = scores(predicting, pre: images.pre, dropout: dropout)
        return Pass(states: predicting, scores: scores, loss: loss(scores, pre: images.pre, post: images.post))
    }

    /// The loss of codes given in the scores' order.
    public func loss(_ scores: Scores, pre: [Int32], post: [Int32]) -> Loss {
        let first = scores.pre.crossEntropy(targets: pre, smoothing: configuration.labelSmoothing)
        let second = scores.post.crossEntropy(targets: post, smoothing: configuration.labelSmoothing)
        return Loss(
            total: Variable.weightedSum([(1, first.loss), (1, second.loss)]), pre: first.negativeLogLikelihood,
            post: second.negativeLogLikelihood)
    }
}

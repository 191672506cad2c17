import NeuralNet
import TensorCore

extension Generator {
    /// Scores and loss of images whose codes stand in slot order, each image read in an order of its own (RandAR, spec 3.1): the sequence is the
    /// class, then for every slot its position instruction and its token; the output at an instruction predicts the slot's code.
    ///
    /// - Parameter orders: one an image. The pass's states and scores are in decoding order.
    public func callAsFunction(_ images: Images, orders: [SlotOrder], dropout: GeneratorDropout? = nil, in graph: Graph) -> Pass {
        let (batch, count, width) = (images.count, images.cells, configuration.width)
        precondition(count == configuration.cells, "images of \(count) codes for a generator of \(configuration.cells)")
        precondition(orders.count == batch && orders.allSatisfy { $0.count == count }, "\(orders.count) orders for \(batch) images")
        func inOrder(_ parts: [Int32]) -> [Int32] {
            orders.enumerated().flatMap { sample, order in order.slots.map { parts[sample * count + $0] } }
        }
        let (pre, post) = (inOrder(images.pre), inOrder(images.post))
        let classes = dropout?.applied(to: images.classes, nullClass: configuration.nullClass) ?? images.classes
        let embedded = tokens(pre: pre, post: post, batch: batch, in: graph)
        let tokens = dropout?.dropping(.tokens, of: embedded) ?? embedded
        let pairs = positionInstructions(cells: orders.map(\.slots), in: graph).reshaped([batch * count, 1, width])
            .followed(by: tokens.reshaped([batch * count, 1, width]))
        let sequence = prefix(classes: classes, in: graph).followed(by: pairs.reshaped([batch, 2 * count, width]))
        let rotation = rotary.rotation(rows: orders.map { [0] + $0.slots.flatMap { [$0 + 1, $0 + 1] } })
        let all = states(sequence, rotation: rotation, mask: .causal(1 + 2 * count), dropout: dropout)
        let predicting = all.rows(from: 1, count: 2 * count).reshaped([batch * count, 2, width]).rows(from: 0, count: 1)
            .reshaped([batch, count, width])
        let scores = scores(predicting, pre: pre, dropout: dropout)
        return Pass(states: predicting, scores: scores, loss: loss(scores, pre: pre, post: post))
    }
}

import MergeVQ
import NeuralNet
import TensorCore

/// A model that learns from records of tokens.
package protocol TokenModel: TrainedModel {
    /// The mean loss of some records, and with it what `termNames` names.
    ///
    /// - Parameters:
    ///   - samples: the records' ids, which key all that is random.
    ///   - graph: of weights `[layout.count]`.
    func loss(of records: [TokenRecord], samples: [Int], step: Int, in graph: Graph) -> (total: Variable, terms: [Float])
}

extension TokenModel {
    package var optimizers: [(name: String, range: Range<Int>)] { [("generator", 0..<layout.count)] }
    package var initialStatistics: StageOneStatistics { .none }
    /// Norms and biases do not decay (stage2 1.7).
    package func decays(_ parameter: Parameter) -> Bool { parameter.shape.rank >= 2 }
}

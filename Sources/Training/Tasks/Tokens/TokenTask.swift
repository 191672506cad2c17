import Failpoints
import NeuralNet
import TensorCore

/// A worker's task in training on tokens: (weights, slot) → gradient sum, both in the form of `TrainingVectors`.
package struct TokenTask: Sendable {
    package let model: any TokenModel
    package let vectors: TrainingVectors
    private let recomputation: Recomputation

    package init(_ model: any TokenModel, recomputation: Recomputation) {
        self.model = model
        self.recomputation = recomputation
        vectors = TrainingVectors(model)
    }

    /// Adds up one slot. `result [resultCount]` is overwritten; all zeros for no records.
    ///
    /// - Parameters:
    ///   - weights: `[weightsCount]`
    ///   - samples: the records' ids, and `slot`: the slot's number, for complaints.
    /// - Throws: `TrainingError.notFinite` for a result that is not all finite numbers.
    package func computeSlot(
        weights: Tensor, records: [TokenRecord], samples: [Int], step: Int, slot: Int, into result: Tensor, pool: ThreadPool
    ) throws {
        precondition(result.count == vectors.resultCount, "result of shape \(result.shape) for \(vectors.resultCount) floats")
        result.fillInPlace(0)
        guard !records.isEmpty else { return }
        let count = Float(records.count)
        let gradient = result.slice(from: 0, [model.layout.count])
        let graph = Graph(weights: vectors.unpack(weights).weights, gradients: gradient, recomputation: recomputation, pool: pool)
        let (total, terms) = model.loss(of: records, samples: samples, step: step, in: graph)
        graph.backward(from: total, seed: Tensor(filledWith: count, total.shape))
        gradient.damage(as: Failpoints.reach(.workerGradient))
        func requireFinite(_ isFinite: Bool, _ what: String) throws {
            guard isFinite else { throw TrainingError.notFinite(step: step, slot: slot, what: what, samples: samples) }
        }
        for (name, term) in zip(model.termNames, terms) { try requireFinite((term * count).isFinite, "the loss term \(name)") }
        try requireFinite(gradient.sumOfSquares(pool: pool).isFinite, "the generator's gradient")
        vectors.pack(terms: terms, images: records.count, into: result)
    }
}

extension Tensor {
    /// What a faulty machine would do to a gradient, when a drill asks for it: the highest fraction bit of its first number that is not 0, or a NaN.
    func damage(as action: FaultPlan.Action?) {
        guard let action, let place = (0..<count).first(where: { pointer[$0] != 0 }) else { return }
        switch action {
        case .flip: pointer[place] = Float(bitPattern: pointer[place].bitPattern ^ 1 << 22)
        case .nan: pointer[place] = .nan
        case .kill, .stop, .slow: break
        }
    }
}

import Checksums
import NeuralNet
import TensorCore

/// What becomes of the sum of a step's slots: the one implementation of the update, for training and for `mvq replay`.
struct StepUpdate {
    /// What a step is remembered by.
    struct Outcome {
        /// Of the summed result.
        let gradientDigest: String
        /// Of weights and statistics after the step.
        let weightsDigest: String
        /// The plan's numbers, gradient norms and mean losses.
        let values: [String: Double]
        /// Images that the sum says it is made of.
        let images: Int
    }

    private let plan: TrainingPlan
    private let model: any TrainedModel
    private let vectors: TrainingVectors
    private let optimizer: AdamW
    private let pool: ThreadPool

    init(_ plan: TrainingPlan, model: any TrainedModel, vectors: TrainingVectors, pool: ThreadPool) {
        self.plan = plan
        self.model = model
        self.vectors = vectors
        self.pool = pool
        let settings = plan.configuration.optimizer
        optimizer = AdamW(
            beta1: settings.beta1, beta2: settings.beta2, weightDecay: settings.weightDecay, emaDecay: settings.emaDecay)
    }

    /// Moves the state, which is before `step`, behind it.
    ///
    /// - Parameter sum: `[resultCount]`, over all slots; divided in place.
    /// - Throws: `TrainingError.notExactlyOnce` if it is not made of as many images as planned, `TrainingError.notFinite` if a loss, a gradient
    ///   or anything of the new state is not finite. The state is of no use then.
    func callAsFunction(_ sum: Tensor, step: Int, state: inout TrainingState) throws -> Outcome {
        let gradientDigest = sum.withBytes { SHA256.digest(of: $0) }
        let outcome = vectors.outcome(of: sum, pool: pool)
        func requireFinite(_ isFinite: Bool, _ what: @autoclosure () -> String) throws {
            guard isFinite else { throw TrainingError.notFinite(step: step, slot: nil, what: what(), samples: []) }
        }
        // Every slot is finite, or its worker would have said so; their sum may not be.
        for (name, value) in outcome.terms { try requireFinite(value.isFinite, "the loss term \(name)") }
        let planned = plan.imageCount(step: step)
        guard outcome.images == planned else {
            throw TrainingError.notExactlyOnce(
                epoch: plan.epoch(of: step), step: step, what: "the sum of its gradients is made of \(outcome.images) images, the plan has \(planned)")
        }
        // Each optimizer's gradient is clipped by its own norm.
        var norms: [String: Double] = [:]
        let parts = try model.optimizers.flatMap { optimizer in
            let part = outcome.gradient.slice(from: optimizer.range.lowerBound, [optimizer.range.count])
            let norm = part.sumOfSquares(pool: pool).squareRoot()
            try requireFinite(norm.isFinite, "the \(optimizer.name)'s gradient")
            norms[optimizer.name == "generator" ? "gradient_norm" : "gradient_norm_\(optimizer.name)"] = norm
            let scale = clippingFactor(norm: norm, limit: plan.configuration.optimizer.gradientClip)
            return model.decayRanges(of: optimizer.range).map {
                AdamW.Part(range: $0.range, gradientScale: scale, weightDecay: $0.decays ? nil : 0)
            }
        }
        let learningRate = plan.learningRate(step: step)
        optimizer.update(&state.optimizer, gradient: outcome.gradient, learningRate: learningRate, parts: parts, pool: pool)
        state.statistics = state.statistics.updated(sums: outcome.statisticSums, images: outcome.images)
        // Nothing else may reach a journal line, a worker or a checkpoint.
        try requireFinite(state.optimizer.weights.isFinite, "a weight after the update")
        // A gradient whose square is too large would freeze its weight without a sign.
        try requireFinite(state.optimizer.secondMoment.isFinite, "a second moment after the update")
        try requireFinite(state.statistics.values.allSatisfy(\.isFinite), "a running statistic after the update")
        state.step = step + 1
        var values = plan.values(step: step)
        values.merge(norms) { $1 }
        for (name, value) in outcome.terms { values[name] = value }
        return Outcome(gradientDigest: gradientDigest, weightsDigest: state.weightsDigest, values: values, images: outcome.images)
    }
}

import ImageData
import NeuralNet
import TensorCore
import Testing
import Training

/// Every loss of stage 1 on images without structure, and of every shape: zero variances, equal tokens, features of length zero.
@Suite struct OddImagesTests {
    /// Some steps of two slots, one of them with a single image; every number of every step must be finite, and the weights must move.
    @Test(arguments: OddImages.allCases) func trainingStaysFinite(_ kind: OddImages) throws {
        let task = try TokenizerTask(SmallModel.allLosses)
        let pool = ThreadPool(threads: 2)
        let optimizer = AdamW(beta1: 0.5, beta2: 0.9, emaDecay: 0.99)
        var state = TrainingState(model: task.model, seed: 4)
        let files = try kind.files
        let images = files.enumerated().map { (sample: $0.offset, name: "\($0.offset).JPEG", bytes: $0.element) }
        for (step, kept) in [64, 36, 25, 36].enumerated() {
            let weights = Tensor(state.optimizer.weights.elements + state.statistics.values, [task.weightsCount])
            func slot(_ number: Int, _ images: [(sample: Int, name: String, bytes: [UInt8])]) throws -> Tensor {
                let result = Tensor(filledWith: .nan, [task.resultCount])
                try task.computeSlot(weights: weights, images: images, step: step, slot: number, kept: kept, into: result, pool: pool)
                return result
            }
            let sum = try slot(0, Array(images[..<4]))
            sum.accumulateInPlace(try slot(1, [images[4]]), pool: pool)
            sum.accumulateInPlace(try slot(2, []), pool: pool)
            #expect(sum.isFinite, "step \(step)")
            let outcome = task.vectors.outcome(of: sum, pool: pool)
            #expect(outcome.images == 5)
            let before = state.optimizer.weights.elements
            optimizer.update(&state.optimizer, gradient: outcome.gradient, learningRate: 1e-3, pool: pool)
            state.statistics = state.statistics.updated(sums: outcome.statisticSums, images: outcome.images)
            let hasMoved = state.optimizer.weights.elements != before
            #expect(hasMoved && state.optimizer.weights.isFinite && state.statistics.values.allSatisfy(\.isFinite), "step \(step)")
        }
    }
}

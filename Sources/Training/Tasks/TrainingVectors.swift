import MergeVQ
import NeuralNet
import TensorCore

/// The vectors that coordinator and workers exchange, and what lies where in them.
///
/// What goes to workers is one vector: all weights, then the statistics that stage 1 remembers (stage 2 remembers none). A slot's result is one vector too: the gradient of
/// the loss summed over the slot's images, then the number of images, then every loss term and the sums for the statistics, summed over the
/// images. All of it goes through the same tree of sums, so metrics and statistics are as reproducible as the weights.
public struct TrainingVectors: Sendable {
    /// Of all trained weights.
    public let layout: ParameterLayout
    private let termNames: [String]
    private let statistics: StageOneStatistics

    public init(_ model: any TrainedModel) {
        layout = model.layout
        termNames = model.termNames
        statistics = model.initialStatistics
    }

    /// Floats that workers get: weights and statistics.
    public var weightsCount: Int { layout.count + statistics.count }
    /// Floats in a slot's result.
    public var resultCount: Int { sumsOffset + statistics.sumCount }

    private var termsOffset: Int { layout.count + 1 }
    private var sumsOffset: Int { termsOffset + termNames.count }

    /// Writes what workers get into `vector [weightsCount]`.
    func pack(weights: Tensor, statistics: StageOneStatistics, into vector: Tensor) {
        vector.slice(from: 0, [layout.count]).copyInPlace(from: weights)
        vector.slice(from: layout.count, [self.statistics.count]).withElements { elements in
            for (i, value) in statistics.values.enumerated() { elements[i] = value }
        }
    }

    /// The parts of what workers get, `vector [weightsCount]`; the weights are a view of it.
    func unpack(_ vector: Tensor) -> (weights: Tensor, statistics: StageOneStatistics) {
        precondition(vector.count == weightsCount, "weights of shape \(vector.shape) for \(weightsCount) floats")
        return (
            vector.slice(from: 0, [layout.count]),
            statistics.with(values: vector.slice(from: layout.count, [statistics.count]).elements)
        )
    }

    /// Writes what a slot's pass yields besides the gradient behind the gradient.
    ///
    /// - Parameters:
    ///   - terms: by the model's `termNames`, means over the images; written times their number.
    ///   - sums: for the statistics, over the images.
    func pack(terms: [Float], statisticSums sums: [Float] = [], images: Int, into result: Tensor) {
        precondition(terms.count == termNames.count, "\(terms.count) terms for \(termNames.count) names")
        let count = Float(images)
        result.withElements { elements in
            elements[layout.count] = count
            for (i, term) in terms.enumerated() { elements[termsOffset + i] = term * count }
            for (i, sum) in sums.enumerated() { elements[sumsOffset + i] = sum }
        }
    }

    /// What a step's summed result says.
    public struct Outcome {
        /// Of the mean loss; a view, divided in place.
        public let gradient: Tensor
        public let images: Int
        /// Mean loss terms by name.
        public let terms: [(name: String, value: Double)]
        /// For `StageOneStatistics`.
        public let statisticSums: [Float]
    }

    /// Divides a step's summed result by its number of images, in place.
    public func outcome(of sum: Tensor, pool: ThreadPool) -> Outcome {
        let (count, totals, sums) = sum.withElements {
            ($0[layout.count], Array($0[termsOffset..<sumsOffset]), Array($0[sumsOffset..<resultCount]))
        }
        let gradient = sum.slice(from: 0, [layout.count])
        gradient.scaleInPlace(by: 1 / max(count, 1), pool: pool)
        return Outcome(
            gradient: gradient, images: Int(exactly: count) ?? 0, terms: zip(termNames, totals).map { ($0, Double($1 / max(count, 1))) },
            statisticSums: sums)
    }
}

import Generators
import MergeVQ
import NeuralNet
import TensorCore

/// Source recovery in training on its own: from an image's codes to the slot that every cell belongs to (stage2 3.5, 3.6).
package struct RecoveryModel: TokenModel {
    package let recovery: SourceRecovery
    package let layout: ParameterLayout
    /// Whose errors the codes get; nil for true codes.
    private let generator: FrozenGenerator?
    private let loss: TokenizerLossWeights.RecoveryLoss
    private let factors: TokenFactors

    /// - Parameter generator: a worker's; the coordinator needs none.
    init(_ configuration: RunConfiguration, generator: FrozenGenerator? = nil) {
        let settings = configuration.recovery
        let (grid, bits) = (settings.grid ?? 16, settings.bits ?? 18)
        (recovery, layout) = ParameterLayout.build {
            SourceRecovery($0 / "source_recovery", configuration.recoveryConfiguration, positions: grid * grid, bits: bits)
        }
        factors = TokenFactors(preBits: 1, postBits: bits - 1)
        loss = settings.loss
        self.generator = generator
    }

    /// Besides the loss, the share of cells whose predicted slot is the true one, or has at least its code; the mean over slots that are
    /// predicted or true somewhere of intersection over union of their cells; and the share of codes that are not the true ones.
    package var termNames: [String] { ["loss", "owner_accuracy", "code_accuracy", "group_iou", "corrupted_codes"] }

    package func loss(of records: [TokenRecord], samples: [Int], step: Int, in graph: Graph) -> (total: Variable, terms: [Float]) {
        let codes = generator?.corrupted(records, samples: samples, step: step, pool: graph.pool) ?? records.map(\.codes)
        var losses: [(weight: Float, loss: Variable)] = []
        var quality = RecoveryQuality()
        // A pass has images of one K; the counts are few.
        for kept in Set(records.map(\.kept)).sorted() {
            let group = records.indices.filter { records[$0].kept == kept }
            let channels = factors.channels(of: group.flatMap { codes[$0].map(Int32.init(bitPattern:)) })
            let scores = recovery(graph.constant(Tensor(channels, [group.count, kept, factors.bits])))
            let owners = group.flatMap { records[$0].owners.map(Int32.init) }
            let share = Float(group.count) / Float(records.count)
            switch loss {
            case .categorical: losses.append((share, scores.crossEntropy(targets: owners)))
            case .binary: losses.append((share, scores.binaryCrossEntropy(targets: owners)))
            }
            let predicted = SourceRecovery.predictedOwners(scores.value)
            let cells = owners.count / group.count
            for (place, index) in group.enumerated() {
                let range = (place * cells)..<((place + 1) * cells)
                quality.add(predicted: predicted[range], owners: owners[range], codes: codes[index], trueCodes: records[index].codes)
            }
        }
        let total = Variable.weightedSum(losses.map { ($0.weight, $0.loss) })
        return (total, [total.value.scalar] + quality.means)
    }
}

/// How well cells were given to slots, over images of the same number of cells.
private struct RecoveryQuality {
    private var images = 0
    private var sums = [Float](repeating: 0, count: 4)

    /// Adds an image: the predicted and the true slot of every cell, the slots' codes as they were given and as they truly are.
    mutating func add(predicted: ArraySlice<Int32>, owners: ArraySlice<Int32>, codes: [UInt32], trueCodes: [UInt32]) {
        images += 1
        let kept = codes.count
        var (common, either) = ([Float](repeating: 0, count: kept), [Float](repeating: 0, count: kept))
        var (rightOwners, rightCodes) = (0, 0)
        for (predicted, owner) in zip(predicted.map(Int.init), owners.map(Int.init)) {
            if predicted == owner {
                rightOwners += 1
                common[owner] += 1
                either[owner] += 1
            } else {
                either[owner] += 1
                either[predicted] += 1
            }
            if codes[predicted] == codes[owner] { rightCodes += 1 }
        }
        let shares = zip(common, either).filter { $0.1 > 0 }.map { $0.0 / $0.1 }
        let wrong = zip(codes, trueCodes).count { $0 != $1 }
        let values = [
            Float(rightOwners) / Float(owners.count), Float(rightCodes) / Float(owners.count), shares.reduce(0, +) / Float(shares.count),
            Float(wrong) / Float(kept),
        ]
        sums = zip(sums, values).map { $0 + $1 }
    }

    var means: [Float] { sums.map { $0 / Float(max(images, 1)) } }
}

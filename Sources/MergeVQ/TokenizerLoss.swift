import NeuralNet
import TensorCore

/// Weights of the stage-1 losses (spec 5); a weight of 0 leaves the term out of the total.
public struct TokenizerLossWeights: Sendable, Equatable {
    /// mean |x − x̂|
    public var reconstruction: Float
    /// H_s − H_b
    public var entropy: Float
    public var commitment: Float
    public var sourceRecovery: Float

    public init(reconstruction: Float = 1, entropy: Float = 0.1, commitment: Float = 0.25, sourceRecovery: Float = 0.5) {
        self.reconstruction = reconstruction
        self.entropy = entropy
        self.commitment = commitment
        self.sourceRecovery = sourceRecovery
    }
}

extension Tokenizer {
    /// The loss of a batch and its parts.
    public struct Loss {
        /// The weighted sum that training goes back from.
        public let total: Variable
        /// Values by `termNames`, in that order.
        public let terms: [Float]
    }

    /// The names of `Loss.terms`.
    public static let termNames = [
        "loss", "reconstruction", "entropy_per_sample", "entropy_batch", "commitment", "source_recovery", "owner_accuracy",
        "code_accuracy",
    ]

    /// All losses of a pass over `images [B, H, W, 3]`, each a mean over the batch. Entropies are those of this batch's tokens.
    public func loss(of pass: Pass, images: Tensor, weights: TokenizerLossWeights) -> Loss {
        let reconstruction = pass.image.meanAbsoluteError(to: images)
        let perSample = quantizer.entropy.perSample(pass.y)
        let batch = quantizer.entropy.batch(pass.y)
        let commitment = quantizer.commitment(pass.y)
        var terms: [(weight: Float, loss: Variable)] = [
            (weights.reconstruction, reconstruction), (weights.entropy, perSample), (-weights.entropy, batch),
            (weights.commitment, commitment),
        ]
        var recoveryValues: [Float] = [0, 0, 0]
        if let recovery {
            let scores = recovery(pass.codes.z)
            let crossEntropy = scores.crossEntropy(targets: pass.owners)
            terms.append((weights.sourceRecovery, crossEntropy))
            let accuracy = SourceRecovery.accuracy(scores.value, owners: pass.owners, codes: pass.codes.indices)
            recoveryValues = [crossEntropy.value.scalar, accuracy.owner, accuracy.code]
        }
        let total = Variable.weightedSum(terms.filter { $0.weight != 0 })
        return Loss(
            total: total,
            terms: [total, reconstruction, perSample, batch, commitment].map(\.value.scalar) + recoveryValues)
    }
}

extension SourceRecovery {
    /// The most likely token of every position, lowest index first among equals: scores `[B, L, K]` → `[B · L]`.
    public static func predictedOwners(_ scores: Tensor) -> [Int32] {
        let classes = scores.shape[2]
        return scores.withElements { values in
            (0..<(values.count / classes)).map { row in
                var best = 0
                for k in 1..<classes where values[row * classes + k] > values[row * classes + best] { best = k }
                return Int32(best)
            }
        }
    }

    /// The share of positions whose predicted token is the true owner, and the share whose predicted token at least has the same code, which is
    /// what reconstruction depends on (spec 4.4). `codes` are the indices `[B · K]`.
    static func accuracy(_ scores: Tensor, owners: [Int32], codes: [Int32]) -> (owner: Float, code: Float) {
        let predicted = predictedOwners(scores)
        let (length, kept) = (scores.shape[1], scores.shape[2])
        var (rightOwner, rightCode) = (0, 0)
        for i in owners.indices {
            if predicted[i] == owners[i] { rightOwner += 1 }
            let base = i / length * kept
            if codes[base + Int(predicted[i])] == codes[base + Int(owners[i])] { rightCode += 1 }
        }
        return (Float(rightOwner) / Float(owners.count), Float(rightCode) / Float(owners.count))
    }
}

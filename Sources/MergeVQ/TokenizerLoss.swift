import NeuralNet
import TensorCore

/// Weights and forms of the losses that need nothing but the tokenizer (spec 5); a weight of 0 leaves the term out of the total.
public struct TokenizerLossWeights: Sendable, Equatable {
    /// How far a reconstruction is from its image.
    public enum ReconstructionNorm: String, Sendable, CaseIterable {
        /// mean |x − x̂|, the official code's choice
        case l1
        /// mean (x − x̂)², the paper's table
        case l2
    }

    /// What source recovery is asked for (spec 4.4).
    public enum RecoveryLoss: String, Sendable, CaseIterable {
        /// Which of the kept tokens owns a position.
        case categorical
        /// Eq. (9) as printed: for every kept token, whether it owns the position.
        case binary
    }

    public var reconstruction: Float
    public var reconstructionNorm = ReconstructionNorm.l1
    /// H_s − H_b
    public var entropy: Float
    /// Bits of a group whose batch entropy is taken apart from the others'; nil for the exact entropy of whole codes (spec 3.3).
    public var entropyGroupBits: Int?
    public var commitment: Float
    public var sourceRecovery: Float
    public var recoveryLoss = RecoveryLoss.categorical
    /// Whether source recovery also trains the encoder, through the codes.
    public var recoveryTrainsEncoder = true

    public init(reconstruction: Float = 1, entropy: Float = 0.1, commitment: Float = 0.25, sourceRecovery: Float = 0.5) {
        self.reconstruction = reconstruction
        self.entropy = entropy
        self.commitment = commitment
        self.sourceRecovery = sourceRecovery
    }
}

/// One number of a training pass: a loss with its weight in the total, or something that is only shown.
public struct LossTerm {
    public let name: String
    public let value: Float
    /// In the total; 0 leaves the loss out.
    public let weight: Float
    /// Where the gradient starts; nil for what is only shown.
    let loss: Variable?

    /// A loss `[1]`.
    init(_ name: String, weight: Float, _ loss: Variable) {
        self.name = name
        self.weight = weight
        self.loss = loss
        value = loss.value.scalar
    }

    /// A number to be shown.
    init(_ name: String, showing value: Float) {
        self.name = name
        self.value = value
        weight = 0
        loss = nil
    }

    /// What the term adds to the total.
    var weighted: (weight: Float, loss: Variable)? { loss.flatMap { weight == 0 ? nil : (weight, $0) } }

    /// The values of a pass's terms in the order of `names`. Every name must be that of one term, and every term named.
    static func values(of terms: [LossTerm], by names: [String]) -> [Float] {
        let values = Dictionary(uniqueKeysWithValues: terms.map { ($0.name, $0.value) })
        precondition(values.count == names.count, "terms \(values.keys.sorted()) of a pass that should have \(names)")
        return names.map { name in
            guard let value = values[name] else { preconditionFailure("a pass without the term \(name)") }
            return value
        }
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

    /// All losses of a pass over `images [B, H, W, 3]` that need nothing but the tokenizer, each a mean over the batch. Entropies are those of
    /// this batch's tokens.
    public func loss(of pass: Pass, images: Tensor, weights: TokenizerLossWeights) -> Loss {
        let terms = [reconstructionTerm(of: pass.image, images: images, weights: weights)] + codeTerms(of: pass, weights: weights)
        let total = Variable.weightedSum(terms.compactMap(\.weighted))
        let all = [LossTerm("loss", showing: total.value.scalar)] + terms
        return Loss(total: total, terms: LossTerm.values(of: all, by: Tokenizer.termNames))
    }

    /// The distance between images and reconstructions `[B, H, W, 3]`.
    func reconstructionTerm(of reconstruction: Variable, images: Tensor, weights: TokenizerLossWeights) -> LossTerm {
        let loss: Variable
        switch weights.reconstructionNorm {
        case .l1: loss = reconstruction.meanAbsoluteError(to: images)
        case .l2: loss = reconstruction.meanSquaredError(to: images)
        }
        return LossTerm("reconstruction", weight: weights.reconstruction, loss)
    }

    /// The losses of the codes: entropies, commitment, source recovery with its accuracies.
    func codeTerms(of pass: Pass, weights: TokenizerLossWeights) -> [LossTerm] {
        let batch = weights.entropyGroupBits.map { quantizer.entropy.batch(pass.y, groupBits: $0) } ?? quantizer.entropy.batch(pass.y)
        var terms = [
            LossTerm("entropy_per_sample", weight: weights.entropy, quantizer.entropy.perSample(pass.y)),
            LossTerm("entropy_batch", weight: -weights.entropy, batch),
            LossTerm("commitment", weight: weights.commitment, quantizer.commitment(pass.y)),
        ]
        guard let recovery else {
            return terms + ["source_recovery", "owner_accuracy", "code_accuracy"].map { LossTerm($0, showing: 0) }
        }
        let z = weights.recoveryTrainsEncoder ? pass.codes.z : pass.codes.z.graph.constant(pass.codes.z.value)
        let scores = recovery(z)
        let loss: Variable
        switch weights.recoveryLoss {
        case .categorical: loss = scores.crossEntropy(targets: pass.owners)
        case .binary: loss = scores.binaryCrossEntropy(targets: pass.owners)
        }
        let accuracy = SourceRecovery.accuracy(scores.value, owners: pass.owners, codes: pass.codes.indices)
        terms += [
            LossTerm("source_recovery", weight: weights.sourceRecovery, loss), LossTerm("owner_accuracy", showing: accuracy.owner),
            LossTerm("code_accuracy", showing: accuracy.code),
        ]
        return terms
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

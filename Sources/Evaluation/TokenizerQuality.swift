import MergeVQ
import NeuralNet
import TensorCore

/// What a tokenizer is worth at one number of kept tokens, over any number of batches (spec 9): its reconstructions with the true owner map and
/// with the predicted one, its codes, its source recovery.
public struct TokenizerQuality {
    /// Tokens kept of every image, K.
    public let kept: Int
    /// Of reconstructions with the true owner map.
    public private(set) var reconstruction: ReconstructionQuality
    /// Of reconstructions with the owner map that source recovery predicts; empty without source recovery.
    public private(set) var predicted: ReconstructionQuality
    public private(set) var codes: CodebookUsage
    public private(set) var recovery = SourceRecoveryAccuracy()
    private let tokenizer: Tokenizer
    private let weights: Tensor
    private let pool: ThreadPool

    /// - Parameters:
    ///   - weights: of the tokenizer.
    ///   - perceptual: for LPIPS; nil leaves it out.
    public init(_ tokenizer: Tokenizer, weights: Tensor, kept: Int, perceptual: ReconstructionQuality.Perceptual? = nil, pool: ThreadPool) {
        self.tokenizer = tokenizer
        self.weights = weights
        self.kept = kept
        self.pool = pool
        reconstruction = ReconstructionQuality(perceptual: perceptual, pool: pool)
        predicted = ReconstructionQuality(perceptual: perceptual, pool: pool)
        codes = CodebookUsage(bits: tokenizer.configuration.encoder.bits)
    }

    /// What became of a batch, for looking at.
    public struct Outcome {
        /// `[B, H, W, 3]`
        public let reconstruction: Tensor
        /// With the predicted owner map; nil without source recovery.
        public let predicted: Tensor?
        /// The true token of every position, `[B · L]`.
        public let owners: [Int32]
    }

    /// Reconstructs and measures a batch of images `[B, H, W, 3]` in [−1, 1].
    ///
    /// - Throws: `EvaluationError` for a reconstruction that is not finite; nothing is added then.
    @discardableResult
    public mutating func add(_ images: Tensor) throws(EvaluationError) -> Outcome {
        let graph = Graph(weights: weights, pool: pool)
        let pass = tokenizer(graph.constant(images), kept: kept)
        let guess = tokenizer.predictedOwners(of: pass.codes.z)
        let guessed = guess.map { tokenizer.decode(pass.codes.z, owners: $0).value }
        try reconstruction.add(pass.image.value, of: images)
        if let guess, let guessed {
            try predicted.add(guessed, of: images)
            recovery.add(predicted: guess, owners: pass.owners, codes: pass.codes.indices, kept: kept)
        }
        codes.add(pass.codes.indices)
        return Outcome(reconstruction: pass.image.value, predicted: guessed, owners: pass.owners)
    }
}

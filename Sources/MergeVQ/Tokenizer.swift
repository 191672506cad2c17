import NeuralNet
import TensorCore

/// Everything that defines a tokenizer (spec 0): its parts, how many tokens it keeps and how it merges them.
public struct TokenizerConfiguration: Sendable, Equatable {
    /// Side of the square images, in pixels.
    public var imageSize: Int
    public var encoder: EncoderConfiguration
    public var decoder: DecoderConfiguration
    public var recovery: SourceRecoveryConfiguration?
    public var keptTokens: KeptTokenDistribution
    public var schedule: MergeSchedule

    public init(
        imageSize: Int, encoder: EncoderConfiguration, decoder: DecoderConfiguration, recovery: SourceRecoveryConfiguration?,
        keptTokens: KeptTokenDistribution, schedule: MergeSchedule
    ) {
        self.imageSize = imageSize
        self.encoder = encoder
        self.decoder = decoder
        self.recovery = recovery
        self.keptTokens = keptTokens
        self.schedule = schedule
    }

    /// Tokens per side before merging, √L.
    public var grid: Int { imageSize / encoder.stem.downsampling }
    /// Full token count L.
    public var fullTokens: Int { grid * grid }
}

/// The MergeVQ tokenizer: image → kept tokens → codes → recovered map → image, with the source-recovery model beside it.
public struct Tokenizer: Sendable {
    public let configuration: TokenizerConfiguration
    public let encoder: Encoder
    public let quantizer: LookupFreeQuantizer
    public let decoder: Decoder
    public let recovery: SourceRecovery?

    /// Registers `encoder.…`, `decoder.…` and `source_recovery.…`.
    public init(_ scope: ParameterScope, _ configuration: TokenizerConfiguration) {
        self.configuration = configuration
        encoder = Encoder(scope / "encoder", configuration.encoder)
        quantizer = LookupFreeQuantizer(bits: configuration.encoder.bits)
        decoder = Decoder(scope / "decoder", configuration.decoder)
        recovery = configuration.recovery.map {
            SourceRecovery(
                scope / "source_recovery", $0, positions: configuration.fullTokens, bits: configuration.encoder.bits)
        }
    }

    /// A tokenizer and the layout of its weights.
    public static func build(_ configuration: TokenizerConfiguration) -> (Tokenizer, ParameterLayout) {
        ParameterLayout.build { Tokenizer($0, configuration) }
    }

    /// What a pass over a batch of images yields.
    public struct Pass {
        /// Encoder outputs before the sign, `[B, K, bits]`.
        public let y: Variable
        public let codes: LookupFreeQuantizer.Codes
        /// The token of every position, `[B · L]`.
        public let owners: [Int32]
        /// The reconstruction `[B, H, W, 3]`, not clamped.
        public let image: Variable
    }

    /// Encodes, quantises, recovers by the true owner map and decodes images `[B, H, W, 3]` in [−1, 1], keeping `kept` tokens of each.
    public func callAsFunction(_ images: Variable, kept: Int) -> Pass { passWithLastHidden(images, kept: kept).pass }

    /// The same, and the input of the decoder's last convolution.
    func passWithLastHidden(_ images: Variable, kept: Int) -> (pass: Pass, lastHidden: Variable) {
        precondition(
            images.shape[1] == configuration.imageSize && images.shape[2] == configuration.imageSize,
            "images of shape \(images.shape) for a tokenizer of \(configuration.imageSize) pixels")
        let counts = configuration.schedule.mergeCounts(
            length: configuration.fullTokens, kept: kept, layers: configuration.encoder.blocks)
        let sequence = encoder(images, mergeCounts: counts)
        let y = encoder.project(sequence)
        let codes = quantizer(y)
        let owners = sequence.imageOwners
        let lastHidden = decoder.lastHidden(map(of: codes.z, owners: owners))
        return (Pass(y: y, codes: codes, owners: owners, image: decoder.convOut(lastHidden)), lastHidden)
    }

    /// What `callAsFunction` makes of images, without the reconstruction.
    public struct Tokens {
        /// Code indices `[B · K]`.
        public let codes: [Int32]
        /// The token of every position, `[B · L]`.
        public let owners: [Int32]
        /// Whether all outputs of the encoder were finite; the codes mean nothing otherwise.
        public let isFinite: Bool
    }

    /// The tokens of images `[B, H, W, 3]` in [−1, 1] at several numbers of kept tokens, bit by bit those of `callAsFunction`. The encoder's
    /// convolutions, which cost most, are computed once.
    public func tokens(of images: Variable, kept: [Int]) -> [Tokens] {
        let features = encoder.features(images)
        return kept.map { kept in
            let counts = configuration.schedule.mergeCounts(
                length: configuration.fullTokens, kept: kept, layers: configuration.encoder.blocks)
            let sequence = encoder.tokens(features, mergeCounts: counts)
            let y = encoder.project(sequence)
            return Tokens(codes: quantizer(y).indices, owners: sequence.imageOwners, isFinite: y.value.isFinite)
        }
    }

    /// Decodes quantised tokens `[B, K, bits]`, each put where it belongs (eq. 11, 6), to images `[B, H, W, 3]`, not clamped.
    /// - Parameter owners: the token of every position, `[B · L]`: the true owner map, or a predicted one.
    public func decode(_ z: Variable, owners: [Int32]) -> Variable { decoder(map(of: z, owners: owners)) }

    /// Tokens on their map, `[B, √L, √L, bits]`.
    private func map(of z: Variable, owners: [Int32]) -> Variable {
        z.recovered(owners: owners).reshaped([z.shape[0], configuration.grid, configuration.grid, configuration.encoder.bits])
    }

    /// The owner map that source recovery predicts from quantised tokens `[B, K, bits]` alone (eq. 8), `[B · L]`; of equal scores the first
    /// token's. Nil without source recovery.
    public func predictedOwners(of z: Variable) -> [Int32]? {
        recovery.map { SourceRecovery.predictedOwners($0(z).value) }
    }
}

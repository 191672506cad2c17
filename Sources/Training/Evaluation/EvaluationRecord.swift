import Evaluation
import Foundation

/// What an evaluation found at one number of kept tokens; one line of `evaluation.jsonl`.
public struct EvaluationRecord: Codable, Sendable, Equatable {
    /// Steps that the weights were trained.
    public var step: Int
    /// `ema` or `raw`.
    public var weights: String
    /// Images looked at.
    public var images: Int
    /// Tokens kept of every image, K.
    public var keptTokens: Int
    /// Of reconstructions with the true owner map.
    public var reconstruction: Quality
    /// Of reconstructions with the owner map that source recovery predicts.
    public var predictedSource: Quality?
    /// What `lpips` was measured with: `random`, or the SHA-256 of the network's file; nil when it was not.
    public var lpipsNetwork: String?
    /// Share of the codebook that occurs.
    public var codebookUsage: Double
    /// 2 to the power of the codes' entropy in bits.
    public var codebookPerplexity: Double
    /// Share of positions whose token source recovery finds.
    public var ownerAccuracy: Double?
    /// Share of positions for which it finds a token of the right code.
    public var codeAccuracy: Double?

    /// Means over images.
    public struct Quality: Codable, Sendable, Equatable {
        /// In decibels, of truncated 8-bit images; nil if every image is met exactly.
        public var psnr: Double?
        /// Of truncated 8-bit images; nil for images too small for a window.
        public var ssim: Double?
        /// Mean absolute error, images of range [−1, 1].
        public var l1: Double?
        /// Perceptual distance; nil without network.
        public var lpips: Double?

        init(_ measured: ReconstructionQuality) {
            (psnr, ssim, l1, lpips) = (measured.psnr, measured.ssim, measured.meanAbsoluteError, measured.perceptualDistance)
        }
    }

    init(_ quality: TokenizerQuality, step: Int, weights: String, lpipsNetwork: String?) {
        self.step = step
        self.weights = weights
        images = quality.reconstruction.images.count
        keptTokens = quality.kept
        reconstruction = Quality(quality.reconstruction)
        predictedSource = quality.predicted.images.isEmpty ? nil : Quality(quality.predicted)
        self.lpipsNetwork = reconstruction.lpips == nil ? nil : lpipsNetwork
        codebookUsage = quality.codes.usage
        codebookPerplexity = quality.codes.perplexity
        ownerAccuracy = quality.recovery.ownerAccuracy
        codeAccuracy = quality.recovery.codeAccuracy
    }

    /// The record as one line of JSON, keys in snake case and sorted: equal records give equal bytes.
    public var json: String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys]
        // Finite numbers and texts always encode.
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    /// A line of `evaluation.jsonl`; nil if it is none.
    public init?(json: String) {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard let record = try? decoder.decode(EvaluationRecord.self, from: Data(json.utf8)) else { return nil }
        self = record
    }

    /// For people, e.g. `128 images, K 36`.
    public var title: String { "\(images) \(images == 1 ? "image" : "images"), K \(keptTokens)" }

    /// For people, e.g. `PSNR 14.21 dB, SSIM 0.412, L1 0.310, codebook usage 68.7 %, …`.
    public var text: String {
        var parts = [
            reconstruction.psnr.map { String(format: "PSNR %.2f dB", $0) } ?? "PSNR infinite",
            reconstruction.ssim.map { String(format: "SSIM %.3f", $0) }, reconstruction.l1.map { String(format: "L1 %.4f", $0) },
        ]
        if let lpips = reconstruction.lpips {
            parts.append(String(format: lpipsNetwork == "random" ? "perceptual distance (random network) %.3f" : "LPIPS %.3f", lpips))
        }
        parts.append(String(format: "codebook usage %.1f %%", codebookUsage * 100))
        if let ownerAccuracy, let codeAccuracy {
            parts.append(String(format: "owners found %.1f %%, codes %.1f %%", ownerAccuracy * 100, codeAccuracy * 100))
        }
        if let psnr = predictedSource?.psnr { parts.append(String(format: "PSNR with predicted source %.2f dB", psnr)) }
        return parts.compactMap { $0 }.joined(separator: ", ")
    }
}

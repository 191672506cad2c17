import Evaluation
import ImageData
import MergeVQ
import NeuralNet
import TensorCore

/// Reconstructs images with a trained tokenizer at several numbers of kept tokens, and measures how well (spec 9).
public struct TokenizerEvaluation {
    private let checkpoint: TokenizerCheckpoint
    private let network: EvaluationNetwork?
    private let pool: ThreadPool
    private let transform: ImageTransform
    /// Tokens kept of every image, one measurement each.
    public let keptTokens: [Int]

    /// - Parameters:
    ///   - keptTokens: kept-token counts K.
    ///   - perceptual: for LPIPS; nil leaves it out.
    ///   - threads: threads that compute; they move no bit.
    /// - Throws: `ConfigurationError` for a K that the model cannot keep.
    public init(_ checkpoint: TokenizerCheckpoint, keptTokens: [Int], perceptual: EvaluationNetwork? = nil, threads: Int) throws {
        let configuration = checkpoint.configuration
        self.checkpoint = checkpoint
        self.keptTokens = keptTokens
        network = perceptual
        pool = ThreadPool(threads: threads)
        transform = ImageTransform(size: configuration.model.imageSize, purpose: .validation)
        try configuration.requireKeepable(keptTokens)
    }

    /// One image with what became of it, for looking at.
    public struct Example {
        public let original: RGBImage
        /// By number of kept tokens.
        public let results: [Result]

        /// What became of it at one number of kept tokens.
        public struct Result {
            public let reconstruction: RGBImage
            /// With the owner map that source recovery predicts; nil without source recovery.
            public let predicted: RGBImage?
            /// Positions coloured by the token that stands for them.
            public let mergeMap: RGBImage
            /// In decibels.
            public let psnr: Double
        }
    }

    /// What an evaluation found.
    public struct Report {
        /// By number of kept tokens.
        public let records: [EvaluationRecord]
        public let examples: [Example]
    }

    /// Images of a folder spread evenly over it; all of them for nil or a number that is too high.
    public static func samples(_ count: Int?, of folder: ImageFolder) -> [Int] {
        let count = min(count ?? folder.count, folder.count)
        return (0..<count).map { $0 * folder.count / count }
    }

    /// Goes over images, a few at a time.
    ///
    /// - Parameters:
    ///   - samples: sample ids of `folder`.
    ///   - examples: of how many images, spread evenly over the samples, pictures are kept.
    ///   - requireGoing: called every so often, within seconds also for large images; what it throws ends the evaluation.
    ///   - progress: called with images done and all images.
    /// - Throws: `ImageError` for an image that cannot be decoded, `TrainingError.unusableWeights` for reconstructions that are not numbers.
    public func run(
        _ folder: ImageFolder, samples: [Int], examples wanted: Int, requireGoing: () throws -> Void = {}, progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> Report {
        let chosen = Set((0..<min(wanted, samples.count)).map { samples[$0 * samples.count / min(wanted, samples.count)] })
        var examples: [Example] = []
        var qualities = keptTokens.map {
            TokenizerQuality(checkpoint.tokenizer, weights: checkpoint.weights, kept: $0, perceptual: network?.perceptual, pool: pool)
        }
        for start in stride(from: 0, to: samples.count, by: batch) {
            let ids = Array(samples[start..<min(start + batch, samples.count)])
            let images = try load(folder, ids)
            var outcomes: [TokenizerQuality.Outcome] = []
            for i in qualities.indices {
                try requireGoing()
                do {
                    outcomes.append(try qualities[i].add(images))
                } catch .notFinite(let image) {
                    throw TrainingError.unusableWeights(file: checkpoint.file, image: folder.path(of: ids[image]))
                }
            }
            for (i, id) in ids.enumerated() where chosen.contains(id) {
                let measures = qualities.map { $0.reconstruction.images[start + i] }
                examples.append(
                    Example(
                        original: picture(images, i),
                        results: zip(zip(keptTokens, outcomes), measures).map { result($0.1, image: i, kept: $0.0, psnr: $1.psnr) }))
            }
            progress(start + ids.count, samples.count)
        }
        let records = qualities.map {
            EvaluationRecord($0, step: checkpoint.step, weights: checkpoint.which.rawValue, lpipsNetwork: network?.name)
        }
        return Report(records: records, examples: examples)
    }

    /// Images at a time: as many pixels as 16 images of 64 pixels a side have, so that memory stays small beside the weights.
    private var batch: Int { max(1, 16 * 64 * 64 / (transform.size * transform.size)) }

    private func load(_ folder: ImageFolder, _ ids: [Int]) throws -> Tensor {
        let size = transform.size
        let batch = Tensor(uninitialised: [ids.count, size, size, 3])
        for (i, id) in ids.enumerated() {
            let image = try folder.image(of: id)
            batch.slice(from: i * transform.elementCount, [transform.elementCount]).withElements { transform(image, step: 0, sample: id, into: $0) }
        }
        return batch
    }

    private func picture(_ images: Tensor, _ image: Int) -> RGBImage {
        let (size, count) = (transform.size, transform.elementCount)
        return images.withElements { elements in
            ImageTransform.image(
                from: UnsafeBufferPointer(rebasing: elements[(image * count)..<((image + 1) * count)]), width: size, height: size)
        }
    }

    private func result(_ outcome: TokenizerQuality.Outcome, image: Int, kept: Int, psnr: Double) -> Example.Result {
        let (size, grid) = (transform.size, checkpoint.configuration.tokenizer.grid)
        let owners = outcome.owners[(image * grid * grid)..<((image + 1) * grid * grid)].map(Int.init)
        return Example.Result(
            reconstruction: picture(outcome.reconstruction, image), predicted: outcome.predicted.map { picture($0, image) },
            mergeMap: OwnerMap.picture(owners: owners, rows: grid, columns: grid, tokens: kept, width: size, height: size), psnr: psnr)
    }
}

extension TokenizerEvaluation.Report {
    /// The examples as one picture, a row an image: the original, then for every number of kept tokens the reconstruction, the one with predicted
    /// source, and the merge map. Small images are enlarged so that the picture can be looked at as it is. Nil without examples.
    public var picture: RGBImage? {
        guard let first = examples.first else { return nil }
        let rows = examples.map { example in
            [example.original] + example.results.flatMap { [$0.reconstruction, $0.predicted, $0.mergeMap].compactMap { $0 } }
        }
        let factor = max(1, 192 / first.original.width)
        return ImageGrid.compose(rows.flatMap { $0 }.map { $0.enlarged(by: factor) }, columns: rows[0].count)
    }
}

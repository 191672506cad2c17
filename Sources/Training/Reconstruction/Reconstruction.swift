import Evaluation
import Foundation
import ImageData
import MergeVQ
import NeuralNet
import TensorCore

/// Reconstructs images with a trained tokenizer and measures how well.
public struct Reconstruction {
    private let checkpoint: TokenizerCheckpoint
    private let pool: ThreadPool
    private let transform: ImageTransform
    /// Tokens kept of every image.
    public let kept: Int

    /// - Parameters:
    ///   - kept: kept-token count K; nil for the target of the configuration.
    ///   - threads: threads that compute.
    /// - Throws: `ConfigurationError` for a K that the model cannot keep.
    public init(_ checkpoint: TokenizerCheckpoint, kept: Int?, threads: Int) throws {
        self.checkpoint = checkpoint
        pool = ThreadPool(threads: threads)
        transform = ImageTransform(size: checkpoint.configuration.model.imageSize, purpose: .validation)
        self.kept = kept ?? checkpoint.configuration.merging.keptTokens
        let full = checkpoint.configuration.tokenizer.fullTokens
        let least = checkpoint.configuration.merging.schedule.leastKept(length: full, layers: checkpoint.configuration.model.attentionBlocks)
        guard (least...full).contains(self.kept) else {
            throw ConfigurationError(
                "--kept-tokens \(self.kept)", "an image of this model has \(full) tokens and can be merged down to \(least); keep \(least) to \(full)")
        }
    }

    /// One image's original, reconstruction and owner map, for looking at.
    public struct Example {
        public let original: RGBImage
        public let reconstruction: RGBImage
        /// Positions coloured by the token that stands for them.
        public let mergeMap: RGBImage
        /// In decibels.
        public let psnr: Double
    }

    /// What a set of images comes to.
    public struct Summary: Encodable, Sendable {
        public let images: Int
        public let keptTokens: Int
        public let step: Int
        /// Mean over images, in decibels; images of range [0, 1].
        public let psnr: Double
        /// Mean absolute error, images of range [−1, 1].
        public let l1: Double
        /// Share of the codebook that occurs.
        public let codebookUsage: Double
    }

    /// Goes over images in batches of 16.
    ///
    /// - Parameters:
    ///   - samples: sample ids of `folder`.
    ///   - examples: of how many images, spread evenly over the samples, pictures are kept.
    ///   - progress: called with images done and all images.
    /// - Throws: `ImageError` for an image that cannot be decoded.
    public func run(
        _ folder: ImageFolder, samples: [Int], examples wanted: Int, progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> (summary: Summary, examples: [Example]) {
        let chosen = Set((0..<min(wanted, samples.count)).map { samples[$0 * samples.count / min(wanted, samples.count)] })
        var examples: [Example] = []
        var (psnr, l1) = (0.0, 0.0)
        var codes = CodebookUsage(bits: checkpoint.configuration.model.bits)
        for start in stride(from: 0, to: samples.count, by: 16) {
            let ids = Array(samples[start..<min(start + 16, samples.count)])
            let batch = try load(folder, ids)
            let graph = Graph(weights: checkpoint.weights, pool: pool)
            let pass = checkpoint.tokenizer(graph.constant(batch), kept: kept)
            codes.add(pass.codes.indices)
            let errors = PixelError.of(pass.image.value, against: batch)
            for (i, id) in ids.enumerated() {
                let decibels = -10 * log10(max(errors[i].meanSquared, 1e-12))
                psnr += decibels
                l1 += errors[i].meanAbsolute
                if chosen.contains(id) { examples.append(example(batch, pass, image: i, psnr: decibels)) }
            }
            progress(start + ids.count, samples.count)
        }
        let count = Double(max(samples.count, 1))
        return (
            Summary(
                images: samples.count, keptTokens: kept, step: checkpoint.step, psnr: psnr / count, l1: l1 / count,
                codebookUsage: codes.usage), examples
        )
    }

    private func load(_ folder: ImageFolder, _ ids: [Int]) throws -> Tensor {
        let size = transform.size
        let batch = Tensor(uninitialised: [ids.count, size, size, 3])
        for (i, id) in ids.enumerated() {
            let image = try folder.image(of: id)
            batch.slice(from: i * transform.elementCount, [transform.elementCount]).withElements { transform(image, step: 0, sample: id, into: $0) }
        }
        return batch
    }

    private func example(_ images: Tensor, _ pass: Tokenizer.Pass, image: Int, psnr: Double) -> Example {
        let size = transform.size
        let count = transform.elementCount
        func picture(_ tensor: Tensor) -> RGBImage {
            tensor.withElements { elements in
                ImageTransform.image(
                    from: UnsafeBufferPointer(rebasing: elements[(image * count)..<((image + 1) * count)]), width: size, height: size)
            }
        }
        let grid = checkpoint.configuration.tokenizer.grid
        let owners = pass.owners[(image * grid * grid)..<((image + 1) * grid * grid)].map(Int.init)
        return Example(
            original: picture(images), reconstruction: picture(pass.image.value),
            mergeMap: OwnerMap.picture(owners: owners, rows: grid, columns: grid, tokens: kept, width: size, height: size), psnr: psnr)
    }
}

import Fleet
import Foundation
import Generators
import ImageData
import MergeVQ
import NeuralNet
import TensorCore

/// Makes images of classes: a generator's codes, decoded by the tokenizer whose tokens it learnt.
///
/// An image is a function of both checkpoints, the settings with their seed, its class and its number in the class: to the bit, whatever else is
/// made with it, in batches of any size, on any number of threads (stage2 1.8, 2.5, 3.3, 3.4).
public final class ImageGenerator {
    /// Which image to make.
    public struct Sample: Sendable, Hashable {
        public let label: Int
        /// Its number among the images of the class, below 2^24.
        public let index: Int

        public init(label: Int, index: Int) {
            precondition((0..<(1 << 24)).contains(label) && (0..<(1 << 24)).contains(index), "no image \(index) of class \(label)")
            self.label = label
            self.index = index
        }

        /// The number that keys what is drawn for it.
        public var number: Int { label << 24 | index }

        /// What its file is called, `CLASS-NUMBER.png`.
        public var fileName: String { String(format: "%04d-%06d.png", label, index) }
    }

    /// An image that was made.
    public struct Result: Sendable {
        public let sample: Sample
        public let image: RGBImage
        /// In raster order, or of RandAR in slot order.
        public let codes: [Int32]
        /// Slots to which source recovery gave no cell; nil where it has no part.
        public let emptySlots: Int?

        /// Different codes.
        public var distinctCodes: Int { Set(codes).count }
    }

    private let codeGenerator: ImageCodeGenerator
    private let configuration: RunConfiguration
    private let generatorFile: String
    private let tokenizer: Tokenizer
    private let tokenizerWeights: Tensor
    private let tokenizerFile: String
    private let recovery: RecoveryCheckpoint?
    private let pool: ThreadPool
    /// Images that are made at a time.
    public let batch: Int

    /// - Parameters:
    ///   - generator: may be given up afterwards: the weights are copied.
    ///   - recovery: source recovery in place of the tokenizer's own; RandAR's alone has a use for it.
    ///   - batch: images to make at a time; more need more memory and less time an image.
    ///   - threads: threads that compute.
    /// - Throws: `GenerationError` for a tokenizer that the generator's tokens are not of, or for source recovery of another one's.
    public init(
        _ generator: GeneratorCheckpoint, tokenizer: TokenizerCheckpoint, recovery: RecoveryCheckpoint? = nil, batch: Int, threads: Int
    ) throws {
        try ImageGenerator.requireFit(generator, tokenizer, recovery)
        pool = ThreadPool(threads: threads)
        codeGenerator = ImageCodeGenerator(generator.generator, weights: generator.weights, batch: batch, pool: pool)
        configuration = generator.configuration
        generatorFile = generator.file
        self.tokenizer = tokenizer.tokenizer
        tokenizerWeights = tokenizer.weights
        tokenizerFile = tokenizer.file
        self.recovery = recovery
        self.batch = batch
    }

    static func requireFit(_ generator: GeneratorCheckpoint, _ tokenizer: TokenizerCheckpoint, _ recovery: RecoveryCheckpoint? = nil) throws {
        let (model, pictures) = (generator.configuration.generatorConfiguration, tokenizer.configuration.tokenizer)
        let bits = model.preBits + model.postBits
        guard bits == pictures.encoder.bits else {
            throw GenerationError.otherBits(generator: generator.file, bits: bits, tokenizer: tokenizer.file, tokenizerBits: pictures.encoder.bits)
        }
        let isRandom = generator.configuration.generator.kind == .randar
        guard isRandom ? model.cells <= pictures.fullTokens : model.grid == pictures.grid else {
            throw GenerationError.otherGrid(generator: generator.file, grid: model.grid, tokenizer: tokenizer.file, tokenizerGrid: pictures.grid)
        }
        for (file, learnt) in [(generator.file, generator.tokenizerDigest), (recovery?.file ?? "", recovery?.tokenizerDigest)] {
            guard let learnt, learnt != tokenizer.weightsDigest else { continue }
            throw GenerationError.otherTokenizer(model: file, learnt: learnt, tokenizer: tokenizer.file, given: tokenizer.weightsDigest)
        }
        guard recovery == nil || isRandom else {
            throw GenerationError.notForKind(setting: "--recovery", kind: generator.configuration.generator.kind, of: "randar")
        }
        guard !isRandom || recovery != nil || tokenizer.tokenizer.recovery != nil else { throw GenerationError.noSourceRecovery(tokenizer: tokenizer.file) }
    }

    /// Makes images, `batch` at a time, and hands them over in their order.
    ///
    /// - Parameters:
    ///   - progress: told after every step how many codes there are, of how many, and how many images are finished.
    ///   - receive: what it throws ends the work.
    /// - Throws: `GenerationError`, `SamplingError`, and what `receive` throws.
    public func generate(
        _ samples: [Sample], _ settings: GenerationSettings, progress: (_ codes: Int, _ of: Int, _ images: Int) -> Void = { _, _, _ in },
        receive: (Result) throws -> Void
    ) throws {
        for start in stride(from: 0, to: samples.count, by: batch) {
            let chosen = samples[start..<min(start + batch, samples.count)]
            let request = try settings.request(
                for: configuration, classes: chosen.map { Int32($0.label) }, images: chosen.map(\.number))
            let codes = try codes(request) { done, total in
                let each = total / chosen.count
                progress(start * each + done, samples.count * each, start)
            }
            for (sample, codes) in zip(chosen, codes) { try receive(decoded(codes, sample)) }
        }
    }

    private func codes(_ request: GenerationRequest, progress: (Int, Int) -> Void) throws -> [[Int32]] {
        do {
            return try codeGenerator.generate(request, progress: progress)
        } catch {
            guard error == .unusableLogits else { throw error }
            throw GenerationError.unusableLogits(generator: generatorFile)
        }
    }

    /// The image of some codes. One at a time: a batch of another size would be cut into other tiles and could end in other bits.
    private func decoded(_ codes: [Int32], _ sample: Sample) throws -> Result {
        let graph = Graph(weights: tokenizerWeights, pool: pool)
        let z = graph.constant(tokenizer.quantizer.codes(of: codes).reshaped([1, codes.count, tokenizer.configuration.encoder.bits]))
        let isRandom = configuration.generator.kind == .randar
        let recovered = isRandom ? recovery?.owners(of: z.value, pool: pool) ?? tokenizer.predictedOwners(of: z) : nil
        let owners = recovered ?? (0..<codes.count).map(Int32.init)
        let pixels = tokenizer.decode(z, owners: owners).value
        guard pixels.isFinite else {
            throw GenerationError.unusablePixels(tokenizer: tokenizerFile, label: sample.label, index: sample.index)
        }
        let size = tokenizer.configuration.imageSize
        let image = pixels.withElements { ImageTransform.image(from: UnsafeBufferPointer($0), width: size, height: size) }
        return Result(sample: sample, image: image, codes: codes, emptySlots: isRandom ? codes.count - Set(owners).count : nil)
    }
}

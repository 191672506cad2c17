import Checksums
import Fleet
import Generators
import ImageData
import MergeVQ
import NeuralNet
import TensorCore

/// A fleet's generation of images: which images a slot holds, and where their pixels lie in a step's result. A pure function of the configuration,
/// for coordinator and workers.
///
/// A step's result has a place for every image of the step: 1, then red + 2⁸ · green + 2¹⁶ · blue of every pixel, whole numbers that floats hold
/// exactly. A slot fills the places of its own images and leaves zeros elsewhere, so the tree's sum puts the slots side by side without rounding.
struct GenerateTask: Sendable {
    let configuration: RunConfiguration
    /// Side of an image, pixels.
    let size: Int
    let generatorWeights: Int
    let tokenizerWeights: Int
    private let labels: [Int]
    private var settings: RunConfiguration.Generation { configuration.generation }

    init(_ configuration: RunConfiguration) {
        self.configuration = configuration
        size = configuration.model.imageSize
        generatorWeights = GeneratorModel(configuration).layout.count
        tokenizerWeights = Tokenizer.build(configuration.tokenizer).1.count
        let classes = configuration.generation.classes
        labels = classes.isEmpty ? Array(0..<configuration.generatorConfiguration.classes) : classes
    }

    /// All images.
    var count: Int { labels.count * settings.count }
    /// Slots of a step.
    var slots: Int { settings.slots }
    /// Images of a step.
    private var perStep: Int { settings.slots * settings.imagesPerSlot }
    var steps: Int { (count + perStep - 1) / perStep }
    /// Floats that workers are given: the generator's weights, then the tokenizer's.
    var weightsCount: Int { generatorWeights + tokenizerWeights }
    private var floatsPerImage: Int { 1 + size * size }
    var resultCount: Int { perStep * floatsPerImage }

    /// An image by its number in the run.
    func sample(_ number: Int) -> ImageGenerator.Sample {
        ImageGenerator.Sample(label: labels[number / settings.count], index: number % settings.count)
    }

    /// Images after so many steps.
    func images(after steps: Int) -> Int { min(steps * perStep, count) }
    /// The numbers of a step's images.
    func images(step: Int) -> Range<Int> { images(after: step)..<images(after: step + 1) }
    /// The numbers of a slot's images: fewer, or none, in the last step.
    func images(step: Int, slot: Int) -> Range<Int> {
        let start = step * perStep + slot * settings.imagesPerSlot
        return min(start, count)..<min(start + settings.imagesPerSlot, count)
    }

    /// What coordinator and workers compare.
    func stepPlan(_ step: Int) -> StepPlan {
        let hash = SHA256()
        for number in images(step: step) { hash.update("\(sample(number).number)\n") }
        return StepPlan(step: step, epoch: 0, slots: slots, samplesDigest: hash.finish())
    }

    /// Writes a slot's images into their places of `result [resultCount]`, zeros elsewhere.
    func write(_ images: [RGBImage], step: Int, slot: Int, into result: Tensor) {
        result.fillInPlace(0)
        let first = self.images(step: step, slot: slot).lowerBound - step * perStep
        result.withElements { elements in
            for (index, image) in images.enumerated() {
                let place = (first + index) * floatsPerImage
                elements[place] = 1
                for pixel in 0..<(size * size) {
                    let (red, green, blue) = (image.pixels[3 * pixel], image.pixels[3 * pixel + 1], image.pixels[3 * pixel + 2])
                    elements[place + 1 + pixel] = Float(Int(red) | Int(green) << 8 | Int(blue) << 16)
                }
            }
        }
    }

    /// An image of a step's sum.
    ///
    /// - Throws: `FleetExit` with exit code 67 if the sum is not made of one result for each slot.
    func image(_ number: Int, of sum: Tensor, step: Int) throws -> RGBImage {
        let place = (number - step * perStep) * floatsPerImage
        return try sum.withElements { elements in
            var isWhole = elements[place] == 1
            var pixels = [UInt8](repeating: 0, count: 3 * size * size)
            for pixel in 0..<(size * size) {
                guard let value = Int(exactly: elements[place + 1 + pixel]), (0..<(1 << 24)).contains(value) else {
                    isWhole = false
                    break
                }
                for channel in 0..<3 { pixels[3 * pixel + channel] = UInt8(truncatingIfNeeded: value >> (8 * channel)) }
            }
            guard isWhole else {
                let sample = sample(number)
                throw FleetExit(
                    exitCode: ExitCode.replayMismatch,
                    text: "step \(step): the result for image \(sample.index) of class \(sample.label) is no image; a worker computes wrongly: start the"
                        + " same command with --audit-share 1 to find it")
            }
            return RGBImage(width: size, height: size, pixels: pixels)
        }
    }

    /// What makes the images, from both models' weights, `[weightsCount]`.
    ///
    /// - Throws: `GenerationError` for models that do not belong together.
    func makeGenerator(_ weights: Tensor, threads: Int) throws -> ImageGenerator {
        let model = GeneratorModel(configuration)
        let generator = GeneratorCheckpoint(
            model, configuration: configuration, weights: weights.slice(from: 0, [generatorWeights]), file: "the run's generator")
        let tokenizer = TokenizerCheckpoint(
            configuration, weights: weights.slice(from: generatorWeights, [tokenizerWeights]), file: "the run's tokenizer")
        return try ImageGenerator(generator, tokenizer: tokenizer, batch: settings.imagesPerSlot, threads: threads)
    }

    /// How codes are drawn.
    var drawing: GenerationSettings {
        var result = settings.settings
        result.seed = UInt64(configuration.seed)
        return result
    }
}

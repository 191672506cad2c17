import Foundation
import ImageData
import Training

/// What a run of `mvq generate` made.
struct GenerationReport {
    var pictures: [RGBImage] = []
    var images = 0
    var codes = 0
    var seconds = 0.0
    private var distinct = 0
    private var emptySlots: Int?

    mutating func add(_ result: ImageGenerator.Result) {
        images += 1
        codes += result.codes.count
        distinct += result.distinctCodes
        if let empty = result.emptySlots { emptySlots = (emptySlots ?? 0) + empty }
    }

    /// Different codes of an image, on average.
    var distinctCodes: Double { Double(distinct) / Double(max(images, 1)) }
    /// The share of slots without a cell; nil where source recovery has no part.
    var emptySlotRate: Double? { emptySlots.map { Double($0) / Double(max(codes, 1)) } }
}

/// The same for people and programs.
struct GenerationSummary: Encodable {
    let checkpoint: String
    let step: Int
    let weights: String
    let kind: String
    let tokenizer: String
    let tokenizerStep: Int
    let classes: [Int]
    let imagesPerClass: Int
    let seed: UInt64
    let images: Int
    let codesPerImage: Int
    let seconds: Double
    /// Codes and images a second, decoding and writing included.
    let codesPerSecond: Double
    let imagesPerSecond: Double
    let distinctCodes: Double
    /// MergeAR: K, and |distinct codes − K|/K.
    let keptTokens: Int?
    let instructionError: Double?
    /// RandAR.
    let emptySlotRate: Double?
    let picture: String?
    let folder: String?

    /// What a summary says of the models.
    struct Models {
        let generator: String
        let step: Int
        let weights: String
        let configuration: RunConfiguration
        let tokenizer: String
        let tokenizerStep: Int

        init(_ generator: GeneratorCheckpoint, _ tokenizer: TokenizerCheckpoint) {
            self.generator = generator.file
            (step, weights, configuration) = (generator.step, generator.which.rawValue, generator.configuration)
            (self.tokenizer, tokenizerStep) = (tokenizer.file, tokenizer.step)
        }
    }

    init(
        _ models: Models, labels: [Int], perClass: Int, settings: GenerationSettings, report: GenerationReport, picture: String?, folder: String?
    ) {
        checkpoint = models.generator
        (step, weights, kind) = (models.step, models.weights, models.configuration.generator.kind.rawValue)
        (tokenizer, tokenizerStep) = (models.tokenizer, models.tokenizerStep)
        classes = labels
        imagesPerClass = perClass
        seed = settings.seed
        images = report.images
        codesPerImage = report.codes / max(report.images, 1)
        seconds = report.seconds
        codesPerSecond = Double(report.codes) / max(report.seconds, 1e-9)
        imagesPerSecond = Double(report.images) / max(report.seconds, 1e-9)
        distinctCodes = report.distinctCodes
        keptTokens = models.configuration.generator.kind == .mergear ? settings.keptTokens(for: models.configuration) : nil
        instructionError = keptTokens.map { abs(report.distinctCodes - Double($0)) / Double($0) }
        emptySlotRate = report.emptySlotRate
        self.picture = picture
        self.folder = folder
    }

    var text: String {
        var lines = [
            "\(images) images of \(classes.count) class\(classes.count == 1 ? "" : "es") by \(checkpoint) (\(kind), step \(step), \(weights) weights)"
                + String(format: " in %.1f s: %.1f codes and %.3f images a second", seconds, codesPerSecond, imagesPerSecond)
        ]
        var facts = String(format: "%.1f different codes of %ld in an image", distinctCodes, codesPerImage)
        if let keptTokens, let instructionError {
            facts += String(format: "; asked for %ld, %.1f %% off", keptTokens, instructionError * 100)
        }
        if let emptySlotRate { facts += String(format: "; %.1f %% of the slots without a cell", emptySlotRate * 100) }
        lines.append(facts)
        if let folder { lines.append("files (CLASS-NUMBER.png): \(folder)") }
        if let picture { lines.append("picture\(classes.count > 1 ? " (a row a class)" : ""): \(picture)") }
        return lines.joined(separator: "\n")
    }
}

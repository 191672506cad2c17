import Checkpoints
import Checksums
import Fleet
import Foundation
import ImageData
import TensorCore

/// A folder of generated images as a fleet's work: the coordinator's side of `GenerateTask`. Every image is a file, `CLASS-NUMBER.png`.
// Sendable: all that changes is used by the coordinator's step thread, before and after by the one that owns the run.
public final class GenerateJob: MapJob, @unchecked Sendable {
    let configuration: RunConfiguration
    let weights: Tensor
    let weightsDigest: String
    private let task: GenerateTask
    private let folder: String

    /// Checks that both models and the settings belong together; nothing is written.
    ///
    /// - Parameters:
    ///   - labels: classes to make images of.
    ///   - count: images of each class.
    ///   - folder: where images go.
    ///   - overrides: of the run's configuration, e.g. `generation.guidance`.
    /// - Throws: `GenerationError`, `SamplingError`, `ConfigurationError`.
    public init(
        _ generator: GeneratorCheckpoint, tokenizer: TokenizerCheckpoint, labels: [Int], count: Int, seed: Int, to folder: String,
        overrides: [(key: String, value: String)] = []
    ) throws {
        var configuration = tokenizer.configuration
        configuration.task = .generate
        configuration.seed = seed
        configuration.generator = generator.configuration.generator
        (configuration.generation.classes, configuration.generation.count) = (labels, count)
        configuration.generation.generatorDigest = generator.weights.withBytes { SHA256.digest(of: $0) }
        configuration.generation.tokenizerDigest = tokenizer.weightsDigest
        self.configuration = try RunConfiguration(yaml: configuration.yaml, file: "\(generator.file) (config)", overrides: overrides)
        task = GenerateTask(self.configuration)
        _ = try task.drawing.request(for: self.configuration, classes: labels.map(Int32.init), images: labels)
        try ImageGenerator.requireFit(generator, tokenizer)
        weights = Tensor(uninitialised: [task.weightsCount])
        weights.slice(from: 0, [task.generatorWeights]).copyInPlace(from: generator.weights)
        weights.slice(from: task.generatorWeights, [task.tokenizerWeights]).copyInPlace(from: tokenizer.weights)
        weightsDigest = weights.withBytes { SHA256.digest(of: $0) }
        self.folder = folder
    }

    /// Of no dataset: workers need none.
    var datasetFingerprint: String { weightsDigest }
    var sampleCount: Int { task.count }
    var resultCount: Int { task.resultCount }
    var slots: Int { task.slots }
    var steps: Int { task.steps }
    private(set) var isFinished = false

    func stepPlan(_ step: Int) -> StepPlan { task.stepPlan(step) }
    func samples(step: Int, block: SlotBlock) -> [Int] {
        Array(task.images(step: step, slot: block.slots.lowerBound).lowerBound..<task.images(step: step, slot: block.slots.upperBound - 1).upperBound)
    }
    func sample(_ id: Int) throws -> [UInt8] { throw FileError(operation: "read", path: path(of: id), code: ENOENT) }
    func path(of sample: Int) -> String { "\(folder)/\(task.sample(sample).fileName)" }
    func images(after steps: Int) -> Int { task.images(after: steps) }

    /// Files are whole if they are there: they are put in place at once. A step one of whose files was removed is made again.
    func open(keeping steps: Int) throws -> Int {
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw FileError(operation: "make the folder", path: folder, code: errno)
        }
        let limit = min(steps, task.steps)
        let kept = (0..<limit).first { step in task.images(step: step).contains { !FileManager.default.fileExists(atPath: path(of: $0)) } } ?? limit
        isFinished = kept == task.steps
        return kept
    }

    func keep(_ sum: Tensor, step: Int) throws {
        for number in task.images(step: step) {
            try FileSystem.replace(path(of: number), with: PNG.encode(try task.image(number, of: sum, step: step)))
        }
    }

    func finish() throws -> String {
        isFinished = true
        return "\(folder): \(task.count) images"
    }
}

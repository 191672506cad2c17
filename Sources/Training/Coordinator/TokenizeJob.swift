import Fleet
import ImageData
import TensorCore

/// A file of tokens as a fleet's work: the coordinator's side of `TokenizeTask`.
// Sendable: all that changes is used by the coordinator's step thread, before and after by the one that owns the run.
public final class TokenizeJob: MapJob, @unchecked Sendable {
    let configuration: RunConfiguration
    let weights: Tensor
    let weightsDigest: String
    private let task: TokenizeTask
    private let folder: ImageFolder
    private let header: TokenFileHeader
    private let path: String
    private var spool: TokenSpool?

    /// Reads the dataset's index; nothing is written.
    ///
    /// - Parameters:
    ///   - path: the file to be.
    ///   - overrides: of the run's configuration, e.g. `tokens.slots`.
    /// - Throws: `DatasetError`, `ConfigurationError` for settings that the tokenizer cannot follow.
    public init(
        _ checkpoint: TokenizerCheckpoint, data: String, settings: Tokenization.Settings, to path: String, overrides: [(key: String, value: String)] = []
    ) throws {
        weightsDigest = checkpoint.weightsDigest
        folder = try ImageFolder.tokenized(root: data, split: settings.split)
        var configuration = checkpoint.configuration.tokenising(settings, weightsDigest: weightsDigest)
        // A step costs the weights' way to every worker, and is what a crash can cost: many images, but no less than about 16 steps.
        configuration.tokens.imagesPerSlot = min(128, max(1, folder.count * settings.views / (16 * configuration.tokens.slots)))
        self.configuration = try RunConfiguration(yaml: configuration.yaml, file: "\(checkpoint.file) (config)", overrides: overrides)
        task = try TokenizeTask(self.configuration, images: folder.count)
        header = try TokenFileHeader(checkpoint, folder: folder, plan: task.plan)
        weights = checkpoint.weights.slice(from: 0, [task.weightsCount])
        self.path = path
    }

    var datasetFingerprint: String { header.datasetFingerprint }
    var sampleCount: Int { folder.count }
    var resultCount: Int { task.resultCount }
    var slots: Int { task.slots }
    var steps: Int { task.steps }
    private(set) var isFinished = false

    func stepPlan(_ step: Int) -> StepPlan { task.stepPlan(step) }
    func samples(step: Int, block: SlotBlock) -> [Int] { task.images(step: step, block: block) }
    func sample(_ id: Int) throws -> [UInt8] { try folder.bytes(of: id) }
    func path(of sample: Int) -> String { folder.path(of: sample) }
    func images(after steps: Int) -> Int { task.sightings(after: steps) }

    func open(keeping steps: Int) throws -> Int {
        guard try TokenFile.finished(path, header: header) == nil else {
            isFinished = true
            return task.steps
        }
        let spool = try TokenSpool(of: path, header: header)
        let kept = min(steps, task.steps(in: spool.count))
        try spool.cut(to: task.records(after: kept))
        self.spool = spool
        return kept
    }

    func keep(_ sum: Tensor, step: Int) throws {
        guard let spool else { preconditionFailure("a result before the partial file is open") }
        try spool.append(task.records(of: sum, step: step) { folder.label(of: $0) }, isDurable: true)
    }

    func finish() throws -> String {
        if let spool, !isFinished {
            _ = try TokenFile.publish(spool, to: path, header: header)
            isFinished = true
        }
        return "\(path): \(task.plan.records) records"
    }
}

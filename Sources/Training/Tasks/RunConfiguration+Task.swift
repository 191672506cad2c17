import ImageData
import MergeVQ

/// What follows from a configuration's task: the model, the data and a worker's part.
extension RunConfiguration {
    /// The model that this run trains.
    public var trainedModel: any TrainedModel {
        switch task {
        case .tokenizer: StageOneModel(stageOne)
        }
    }

    /// The samples that this run learns from.
    ///
    /// - Throws: `DatasetError`
    public func source(at path: String) throws -> any SampleSource {
        switch task {
        case .tokenizer: try ImageFolder(root: path, split: "train")
        }
    }

    /// The configuration with everything that the run's files say, so that workers and later parts of the run can tell whether theirs are the same.
    ///
    /// - Throws: `TrainingError`, `PretrainedError` if files and configuration do not fit.
    func completed(for source: any SampleSource) throws -> RunConfiguration {
        switch task {
        case .tokenizer: try withNetworkDigests(for: StageOneModel(stageOne))
        }
    }

    /// A worker's part of this run.
    ///
    /// - Throws: if a network that a loss needs cannot be read (`FrozenWeights`).
    func workerTask(plan: TrainingPlan, store: SampleStore, threads: Int) throws -> any WorkerTask {
        switch task {
        case .tokenizer: TokenizerBlocks(try TokenizerTask(self), plan: plan, store: store, threads: threads)
        }
    }
}

/// A dataset of whatever kind.
public enum SampleSources {
    /// A folder of images, or another file that runs learn from.
    ///
    /// - Throws: `DatasetError`
    public static func open(_ path: String) throws -> any SampleSource { try ImageFolder(root: path, split: "train") }
}

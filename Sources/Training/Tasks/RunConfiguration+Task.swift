import ImageData
import MergeVQ

/// What follows from a configuration's task: the model, the data and a worker's part.
extension RunConfiguration {
    /// The model that this run trains.
    public var trainedModel: any TrainedModel {
        switch task {
        case .tokenizer, .tokenize: StageOneModel(stageOne)
        case .generator, .generate: GeneratorModel(self)
        case .recovery: RecoveryModel(self)
        }
    }

    /// The samples that this run learns from.
    ///
    /// - Throws: `DatasetError`, `TokenFileError`
    public func source(at path: String) throws -> any SampleSource {
        switch task {
        case .tokenizer: try ImageFolder(root: path, split: "train")
        case .tokenize: try ImageFolder.tokenized(root: path, split: tokens.split.rawValue)
        case .generator, .recovery: try TokenFile(path: path)
        case .generate: preconditionFailure("generation learns from nothing")
        }
    }

    /// The configuration with everything that the run's files say, so that workers and later parts of the run can tell whether theirs are the same.
    ///
    /// - Throws: `TrainingError`, `PretrainedError` if files and configuration do not fit.
    func completed(for source: any SampleSource) throws -> RunConfiguration {
        switch task {
        case .tokenize, .generate: return self
        case .tokenizer: return try withNetworkDigests(for: StageOneModel(stageOne))
        case .generator, .recovery:
            guard let tokens = source as? TokenFile else { preconditionFailure("stage 2 learns from tokens") }
            return try task == .generator ? completed(for: tokens) : completedRecovery(for: tokens)
        }
    }

    /// A worker's part of this run.
    ///
    /// - Throws: if a network that a loss needs cannot be read (`FrozenWeights`, `FrozenGenerator`), or the settings are none for this model.
    func workerTask(plan: TrainingPlan, store: SampleStore, threads: Int) throws -> any WorkerTask {
        switch task {
        case .tokenizer: TokenizerBlocks(try TokenizerTask(self), plan: plan, store: store, threads: threads)
        case .tokenize: TokenizeBlocks(try TokenizeTask(self, images: plan.sampleCount), store: store)
        case .generate: GenerateBlocks(GenerateTask(self))
        case .generator, .recovery: TokenBlocks(TokenTask(try tokenModel(), recomputation: training.recompute), plan: plan, store: store)
        }
    }

    /// What a worker of stage 2 trains, with the networks that this needs.
    ///
    /// - Throws: as `FrozenGenerator` does.
    package func tokenModel() throws -> any TokenModel {
        switch task {
        case .tokenizer, .tokenize, .generate: preconditionFailure("a run of task \(task.rawValue) learns nothing from tokens")
        case .generator: GeneratorModel(self)
        case .recovery: RecoveryModel(self, generator: try FrozenGenerator(self))
        }
    }
}

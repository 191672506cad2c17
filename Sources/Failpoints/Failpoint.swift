/// Places in a process where a fault can be asked for, by `MVQ_FAIL`. What reaches none of them behaves as if they were not there.
public enum Failpoint: String, CaseIterable, Sendable {
    // Worker, in the order in which it comes by.
    case workerConnect = "worker.connect"
    /// While the model is built.
    case workerJoin = "worker.join"
    /// The image of the worker's canary is decoded; `flip` changes one bit of it.
    case workerCanary = "worker.canary"
    /// A chunk of weights has arrived.
    case workerWeights = "worker.weights"
    /// Weights are complete, no block yet.
    case workerIdle = "worker.idle"
    /// A slot is about to be computed.
    case workerCompute = "worker.compute"
    /// A slot's gradient is there; `flip` changes one bit of it, `nan` one value.
    case workerGradient = "worker.gradient"
    /// The first chunk of a gradient is about to leave.
    case workerUploadFirst = "worker.upload-first"
    case workerUploadMiddle = "worker.upload-middle"
    case workerUploadLast = "worker.upload-last"

    // Coordinator.
    case coordinatorBoot = "coordinator.boot"
    /// The run's lock is taken.
    case coordinatorLock = "coordinator.lock"
    /// The checkpoint to resume from is loaded.
    case coordinatorRecover = "coordinator.recover"
    /// Sockets are bound, workers are awaited.
    case coordinatorGather = "coordinator.gather"
    /// A step's plan is about to be sent.
    case coordinatorPlan = "coordinator.plan"
    /// A block is about to be merged.
    case coordinatorCollect = "coordinator.collect"
    /// All blocks are merged, the weights not updated.
    case coordinatorUpdate = "coordinator.update"

    // Journal.
    case journalBefore = "journal.before"
    /// Half of a line is written.
    case journalTorn = "journal.torn"
    /// The line is durable, the step not committed in memory.
    case journalAfter = "journal.after"

    // Publishing a checkpoint: when a stage begins, and in the midst of writing.
    case checkpointFreeSpace = "checkpoint.free-space"
    case checkpointWrite = "checkpoint.write"
    /// A dataset is about to be written.
    case checkpointDataset = "checkpoint.dataset"
    case checkpointSynchronise = "checkpoint.synchronise"
    case checkpointVerify = "checkpoint.verify"
    case checkpointManifest = "checkpoint.manifest"
    case checkpointRenameManifest = "checkpoint.rename-manifest"
    case checkpointRenameFile = "checkpoint.rename-file"
    case checkpointSynchroniseFolder = "checkpoint.synchronise-folder"
    case checkpointLatest = "checkpoint.latest"
    case checkpointRetention = "checkpoint.retention"
    /// All is done.
    case checkpointPublished = "checkpoint.published"

    // An evaluation that is done and has to be noted.
    case evaluationPicture = "evaluation.picture"
    /// A line of the log is about to be written.
    case evaluationLine = "evaluation.line"
    /// The link to the best checkpoint is about to be set.
    case evaluationBest = "evaluation.best"

    // A file of tokens that is being made.
    /// The next records are about to be appended to the partial file.
    case tokensAppend = "tokens.append"
    /// Half of them are.
    case tokensTorn = "tokens.torn"
    /// All records are there; the file is about to be written.
    case tokensWrite = "tokens.write"
    /// The file is in its place, the partial one still there.
    case tokensPublished = "tokens.published"
}

import Checkpoints
import Fleet
import ImageData
import TensorCore

/// Why a run cannot start or go on: one line saying what, where and the mend.
public enum TrainingError: ExitCoded, CustomStringConvertible {
    case unsuitableCheckpoint(file: String, reason: String)
    case noCheckpoint(folder: String)
    case otherConfiguration(run: String, key: String, stored: String, given: String)
    case otherDataset(run: String, stored: String, given: String)
    case runExists(String)
    case replayMismatch(run: String, step: Int, what: String, journaled: String, computed: String)
    case journalTooShort(run: String, committed: Int, checkpoint: Int)
    case journalTooLate(run: String, first: Int, checkpoint: Int)
    /// A step or an epoch that did not compute every slot and every sample exactly once.
    case notExactlyOnce(epoch: Int, step: Int, what: String)
    case noRun(String)
    case notJournaled(run: String, step: Int, journaled: Range<Int>?)
    /// `there` are the steps that have checkpoint files.
    case noEarlierCheckpoint(folder: String, step: Int, there: [Int])
    case otherNumericClass(run: String, stored: String, here: String)
    case planMismatch(String)
    case unusableWeights(file: String, image: String)
    /// A file of tokens and a checkpoint that do not belong together.
    case otherTokenizer(file: String, stored: String, given: String)
    /// The encoder's outputs are not finite.
    case unusableTokens(file: String, image: String)
    case unsuitableStart(file: String, reason: String)
    /// A file of tokens that a generator cannot learn from.
    case unsuitableTokens(file: String, reason: String)
    /// A record of tokens, by its name, that cannot be read.
    case badRecord(name: String, problem: String)
    case networkMissing(loss: String, key: String, command: String)
    case otherNetwork(file: String, stored: String, found: String)
    /// `slot` with its `samples` where one slot is to blame; nil for what all of the step's slots made together.
    case notFinite(step: Int, slot: Int?, what: String, samples: [Int])

    public var exitCode: Int32 {
        switch self {
        case .unsuitableCheckpoint, .noCheckpoint, .noEarlierCheckpoint, .unusableWeights: ExitCode.noCheckpoint
        case .noRun, .notJournaled: ExitCode.usage
        case .otherConfiguration, .runExists, .planMismatch, .otherNumericClass, .networkMissing, .otherNetwork, .unsuitableStart, .unsuitableTokens,
            .otherTokenizer:
            ExitCode.configuration
        case .otherDataset, .badRecord: ExitCode.badData
        case .notFinite, .unusableTokens: ExitCode.diverged
        case .replayMismatch, .journalTooShort, .journalTooLate, .notExactlyOnce: ExitCode.replayMismatch
        }
    }

    public var description: String {
        switch self {
        case .unsuitableCheckpoint(let file, let reason): "\(file): \(reason)"
        case .noCheckpoint(let folder):
            "\(folder): no checkpoint; name a checkpoint file or the folder of a run that has one"
        case .otherConfiguration(let run, let key, let stored, let given):
            "\(run): was started with \(key) \(stored), not \(given); give the configuration it was started with, or another --run"
        case .otherDataset(let run, let stored, let given):
            "\(run): was started on a dataset with fingerprint \(stored.prefix(16)), this one has \(given.prefix(16));"
                + " give the same --data, or another --run"
        case .runExists(let run):
            "\(run): already holds a run; continue it with --resume auto, or give another --run"
        case .replayMismatch(let run, let step, let what, let journaled, let computed):
            "\(run): step \(step) computed again has \(what) \(computed.prefix(16)), the journal says \(journaled.prefix(16));"
                + " data, libraries or a machine changed: restore them, or start a new run"
        case .journalTooShort(let run, let committed, let checkpoint):
            "\(run): the journal ends after \(committed) steps but the checkpoint holds \(checkpoint);"
                + " restore journal.jsonl, or start a new run from the checkpoint with --resume FILE"
        case .journalTooLate(let run, let first, let checkpoint):
            "\(run): the journal begins at step \(first), after the checkpoint's step \(checkpoint);"
                + " restore journal.jsonl, or start a new run from the checkpoint with --resume FILE and another --run"
        case .notExactlyOnce(let epoch, let step, let what):
            "epoch \(epoch), step \(step): \(what); the step was not committed: start the same command again, and if it stops here again, go back to"
                + " a checkpoint from before this epoch with --resume FILE and another --run"
        case .noRun(let path):
            "\(path): holds no run, there is no config.yaml; name the folder that mvq-coordinator was given as --run"
        case .notJournaled(let run, let step, let journaled):
            "\(run): step \(step) is not in the journal, which "
                + (journaled.map { "holds steps \($0.lowerBound) to \($0.upperBound - 1); give one of these" } ?? "is empty; train first")
        case .noEarlierCheckpoint(let folder, let step, let there):
            "\(folder): no checkpoint of step \(step) or before that can be loaded "
                + (there.isEmpty ? "(there are none)" : "(there are those of steps \(there.map(String.init).joined(separator: ", ")))")
                + "; give a later step, or put an older checkpoint back"
        case .otherNumericClass(let run, let stored, let here):
            "\(run): was computed with \(stored), this machine computes with \(here) and would give other bits;"
                + " start it with \(NumericEnvironment.familyVariable)=\(NumericEnvironment.family(ofClass: stored)) and the build and BLAS library"
                + " of then, or start a new run"
        case .planMismatch(let difference):
            "this worker plans the step differently than the coordinator (\(difference)); install the same build on both"
        case .unusableWeights(let file, let image):
            "\(file): reconstructs \(image) with pixels that are not finite numbers; take an earlier checkpoint"
        case .otherTokenizer(let file, let stored, let given):
            "\(file): was made by a tokenizer whose weights have digest \(stored.prefix(16)), the given ones have \(given.prefix(16));"
                + " give the checkpoint that made it"
        case .unusableTokens(let file, let image):
            "\(file): encodes \(image) to values that are not finite numbers; take an earlier checkpoint"
        case .unsuitableStart(let file, let reason):
            "\(file): model.encoder_start cannot start this encoder: \(reason)"
        case .unsuitableTokens(let file, let reason): "\(file): \(reason)"
        case .badRecord(let name, let problem): "\(name): is no record of tokens: \(problem); make the token file anew with 'mvq tokenize'"
        case .networkMissing(let loss, let key, let command):
            "losses.\(loss) is on but \(key) is none: give the file that '\(command)' writes, or random for seeded random weights,"
                + " or set losses.\(loss) to 0"
        case .otherNetwork(let file, let stored, let found):
            "\(file): holds another network (SHA-256 \(found.prefix(16))) than this run was started with (\(stored.prefix(16)));"
                + " put the run's own file there"
        case .notFinite(let step, let slot, let what, let samples):
            "step \(step)" + (slot.map { ", slot \($0)" } ?? "") + ": \(what) is not a finite number"
                + (samples.isEmpty ? "" : ", computed from \(RemoteSample.names(samples))")
                + "; the last checkpoint is intact, but this run would meet it again: start another --run with a lower optimizer.learning_rate"
                + " or with optimizer.gradient_clip, from the beginning or from a checkpoint of this one with --resume FILE"
        }
    }
}

extension ConfigurationError: ExitCoded {
    public var exitCode: Int32 { ExitCode.configuration }
}

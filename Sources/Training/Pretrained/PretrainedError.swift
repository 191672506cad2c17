import Checkpoints
import Fleet

/// Why weights cannot be imported, exported or used; `description` is one line: what, which file, the mend.
public enum PretrainedError: ExitCoded, Equatable, CustomStringConvertible {
    /// The arrays of a file are not those of the network.
    case refused(files: [String], kind: PretrainedKind, summary: String)
    /// A tokenizer's file says nothing about its architecture.
    case needsConfiguration(file: String)
    /// The configuration in a file describes a model that the file cannot hold.
    case implausible(file: String)
    /// Two input files hold an array of the same name.
    case ambiguous(name: String, files: [String])
    /// A file that a run names was not made by `mvq import`, or for another network.
    case notImported(file: String, kind: PretrainedKind, reason: String)
    /// An imported file lacks what the network of this program needs.
    case unsuitable(file: String, kind: PretrainedKind, reason: String)

    public var exitCode: Int32 {
        switch self {
        case .refused, .implausible, .ambiguous, .notImported, .unsuitable: ExitCode.badData
        case .needsConfiguration: ExitCode.usage
        }
    }

    public var description: String {
        switch self {
        case .refused(let files, let kind, let summary):
            "\(files.joined(separator: ", ")): no \(kind.title): \(summary); the table on standard output names all of them,"
                + " docs/weights.md says which file to give"
        case .needsConfiguration(let file):
            "\(file): does not say which model it is; give its configuration, e.g. --config configs/tokenizer-gr.yaml"
        case .implausible(let file):
            "\(file): its mvq_config describes a larger model than the file holds; export it again, or give its configuration with --config"
        case .ambiguous(let name, let files):
            "\(files.joined(separator: ", ")): each holds \(name); give every network's file once"
        case .notImported(let file, let kind, let reason):
            "\(file): \(reason); make a file of \(kind.title) with: \(kind.importCommand) (docs/weights.md)"
        case .unsuitable(let file, let kind, let reason):
            "\(file): \(reason); import the weights again: \(kind.importCommand) (docs/weights.md)"
        }
    }
}

extension WeightFileError: ExitCoded {}

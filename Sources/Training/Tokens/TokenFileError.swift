import Fleet

/// Why a file of tokens cannot be read or written; `description` is one line: what, which file, the mend.
public enum TokenFileError: ExitCoded, Equatable, CustomStringConvertible {
    /// There is no such file.
    case notFound(file: String)
    /// The file holds no tokens of this format.
    case notATokenFile(file: String, reason: String)
    /// The file's content is not what was written.
    case damaged(file: String, reason: String)
    /// A record that no tokenizer makes.
    case badRecord(file: String, record: Int, problem: TokenRecordError)
    /// There is no such record.
    case noRecord(file: String, record: Int, count: Int)
    case notWritten(file: String, reason: String)
    /// The file is there and holds other tokens than are to be made.
    case otherTokens(file: String, difference: String)
    /// A partial file that was begun with other settings.
    case otherJob(file: String, difference: String)
    /// Another process is making the same file.
    case inUse(file: String)

    /// The exit code of a process that ends for this reason: 65 for bad data, 73 and 74 for files that cannot be had or written, 78 for other
    /// settings.
    public var exitCode: Int32 {
        switch self {
        case .notFound, .notATokenFile, .damaged, .badRecord, .noRecord: ExitCode.badData
        case .notWritten: ExitCode.disk
        case .otherTokens, .otherJob: ExitCode.configuration
        case .inUse: ExitCode.lockHeld
        }
    }

    private static let again = "use an intact copy, or make it again with 'mvq tokenize'"

    public var description: String {
        switch self {
        case .notFound(let file): "\(file): there is no such file; make it with 'mvq tokenize'"
        case .notATokenFile(let file, let reason): "\(file): is no file of tokens: \(reason); give one that 'mvq tokenize' has written"
        case .damaged(let file, let reason): "\(file): is damaged: \(reason); \(Self.again)"
        case .badRecord(let file, let record, let problem): "\(file): record \(record) is damaged: \(problem); \(Self.again)"
        case .noRecord(let file, let record, let count): "\(file): has no record \(record); give one of 0 to \(count - 1)"
        case .notWritten(let file, let reason): "\(file): not written: \(reason); check free space and permissions of the folder"
        case .otherTokens(let file, let difference): "\(file): holds other tokens: \(difference); remove it, or give another --out"
        case .otherJob(let file, let difference):
            "\(file): was begun with other settings: \(difference); repeat the command that began it, or remove it"
        case .inUse(let file): "\(file): another process is making this file; wait for it, or give another --out"
        }
    }
}

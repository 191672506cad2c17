import Fleet
import Glibc

/// Why keys cannot be used or made; `description` is one line: what, where, the mend.
public enum KeyError: ExitCoded, Equatable, CustomStringConvertible {
    /// Others may read a secret.
    case exposed(file: String, mode: UInt32)
    /// Others may change whom this side trusts.
    case writable(file: String, mode: UInt32)
    /// A file of a key folder is not there; `mend` says who makes it.
    case missing(file: String, mend: String)
    /// A line that is no key.
    case malformed(file: String, line: Int, reason: String)
    /// Making keys never overwrites any.
    case exists(path: String)
    /// A worker's name must serve as the name of a folder.
    case badName(String)
    /// A system call failed.
    case failed(operation: String, path: String, code: Int32)

    public var exitCode: Int32 {
        switch self {
        case .exposed, .writable, .missing, .malformed: ExitCode.authentication
        case .exists, .badName: ExitCode.usage
        case .failed(_, _, let code): code == EACCES || code == EPERM ? ExitCode.authentication : ExitCode.disk
        }
    }

    public var description: String {
        switch self {
        case .exposed(let file, let mode):
            "\(file): others may read this secret key (mode \(octal(mode))); run 'chmod 600 \(file)', and make new keys if anybody else has been"
                + " on this machine"
        case .writable(let file, let mode):
            "\(file): others may change whom this machine trusts (mode \(octal(mode))); run 'chmod 644 \(file)'"
        case .missing(let file, let mend): "\(file): not there; \(mend)"
        case .malformed(let file, let line, let reason): "\(file), line \(line): \(reason)"
        case .exists(let path): "\(path): is there already, and keys are never overwritten; choose another name, or remove it yourself"
        case .badName(let name):
            "'\(name)' cannot name a worker; use 1 to 64 letters, digits, dots, hyphens and underscores, not beginning with a dot or a hyphen"
        case .failed(let operation, let path, let code):
            "\(path): cannot \(operation): \(String(cString: strerror(code))); check the path, its permissions and the disk"
        }
    }

    private func octal(_ mode: UInt32) -> String { "0" + String(mode, radix: 8) }
}

import Checkpoints
import Fleet
import ImageData
import Transport

// The layers below know what went wrong; which exit code that is, the commands decide here (docs: README, "Exit codes").

extension ImageError: ExitCoded {
    public var exitCode: Int32 {
        if case .unwritable = self { ExitCode.disk } else { ExitCode.badData }
    }
}

extension DatasetError: ExitCoded {
    public var exitCode: Int32 {
        switch self {
        case .invalidSetting, .occupied: ExitCode.usage
        case .unwritable: ExitCode.disk
        default: ExitCode.badData
        }
    }
}

extension CheckpointError: ExitCoded {}
extension RunDirectoryError: ExitCoded {}
extension FileError: ExitCoded {}

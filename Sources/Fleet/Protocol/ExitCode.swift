/// Exit codes of the commands, and so the ways a fleet ends.
public enum ExitCode {
    /// The work is done.
    public static let done: Int32 = 0
    /// The command line is wrong.
    public static let usage: Int32 = 64
    /// Damaged data, or a slot that kills workers.
    public static let badData: Int32 = 65
    /// No valid checkpoint.
    public static let noCheckpoint: Int32 = 66
    /// A replayed step differs from the journal, samples were not seen exactly once, or machines disagree and nobody can tell which is right.
    public static let replayMismatch: Int32 = 67
    /// No workers, or no coordinator, in time.
    public static let unavailable: Int32 = 69
    /// An error that no other code describes: a defect of the program.
    public static let software: Int32 = 70
    /// Another coordinator holds the run.
    public static let lockHeld: Int32 = 73
    /// The disk is full or fails.
    public static let disk: Int32 = 74
    /// Preempted: start the same command again to continue.
    public static let preempted: Int32 = 75
    /// A loss, a gradient or the weights are not finite numbers any more: training diverged.
    public static let diverged: Int32 = 76
    /// Authentication failed.
    public static let authentication: Int32 = 77
    /// Configuration, build or numeric class differ.
    public static let configuration: Int32 = 78
}

/// An error that knows the exit code of the command it ends; its `description` is one line: what, where, the mend.
public protocol ExitCoded: Error {
    var exitCode: Int32 { get }
}

/// How a coordinator or worker ended: the command's exit code, and one line saying why.
public struct FleetExit: Error, ExitCoded, Sendable, Equatable, CustomStringConvertible {
    public let exitCode: Int32
    public let text: String

    public init(exitCode: Int32, text: String) {
        self.exitCode = exitCode
        self.text = text
    }

    /// The exit that an error asks for; `ExitCode.software` when it does not say.
    public init(_ error: any Error) {
        self.init(exitCode: (error as? any ExitCoded)?.exitCode ?? ExitCode.software, text: "\(error)")
    }

    public var description: String { text }
}

import Foundation
import Testing

/// Runs a command that must fail with one line on standard error, after events at most, and nothing on standard output.
@discardableResult
func expectRefusal(
    _ name: String, _ arguments: [String], exitCode expected: Int32, _ parts: String..., sourceLocation: SourceLocation = #_sourceLocation
) throws -> String {
    let (exitCode, command) = try Workshop.here().command(name, arguments)
    #expect(exitCode == expected && command.standardOutput == "", "\(command.standardError)", sourceLocation: sourceLocation)
    expectOneComplaint(command, parts, sourceLocation: sourceLocation)
    let events = command.lines.count { line in ["new run in ", "listening on ", "checkpoint "].contains { line.hasPrefix($0) } }
    #expect(command.lines.count == events + command.complaints.count, "\(command.standardError)", sourceLocation: sourceLocation)
    return command.complaints.last ?? ""
}

/// A command that has ended must have complained in one line, with these parts.
func expectOneComplaint(_ command: Command, _ parts: [String], sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(command.complaints.count == 1, "\(command.standardError)", sourceLocation: sourceLocation)
    for part in parts {
        #expect(command.complaints.last?.contains(part) == true, "\(part): \(command.complaints)", sourceLocation: sourceLocation)
    }
}

import Foundation
import Testing

/// One of the package's commands as a child process, with its output in files.
final class Command {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// The folder of the built commands: the one that holds the test bundle.
    static let folder = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    /// No wait takes longer; a machine that is busy with other things makes all of them slow.
    static let patience = 180.0

    let name: String
    let arguments: [String]
    private let process = Process()
    private let output: URL
    private let errors: URL

    /// Starts a command.
    /// - Parameters:
    ///   - folder: where its output goes, in files of the given label.
    ///   - environment: added to this process's.
    ///   - tracer: a program and its arguments that starts the command in its own place, e.g. `strace -D`.
    init(
        _ name: String, _ arguments: [String], folder: String, label: String, environment: [String: String] = [:], tracer: [String] = []
    ) throws {
        self.name = name
        self.arguments = arguments
        output = URL(fileURLWithPath: "\(folder)/\(label).out")
        errors = URL(fileURLWithPath: "\(folder)/\(label).err")
        let program = Command.folder.appendingPathComponent(name)
        process.executableURL = tracer.first.map { URL(fileURLWithPath: $0) } ?? program
        process.arguments = tracer.isEmpty ? arguments : Array(tracer.dropFirst()) + [program.path] + arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        for (file, isOutput) in [(output, true), (errors, false)] {
            try Data().write(to: file)
            let handle = try FileHandle(forWritingTo: file)
            if isOutput { process.standardOutput = handle } else { process.standardError = handle }
        }
        do {
            try process.run()
        } catch {
            throw Failure(
                description:
                    "cannot start \(Command.folder.path)/\(name) (\(error)); build it first: swift build -c release --build-tests")
        }
    }

    deinit { kill() }

    var standardOutput: String { (try? String(contentsOf: output, encoding: .utf8)) ?? "" }
    var standardError: String { (try? String(contentsOf: errors, encoding: .utf8)) ?? "" }
    /// Lines on standard error.
    var lines: [String] { standardError.split(separator: "\n").map(String.init) }
    /// Lines on standard error that the command ends with: all but events and progress.
    var complaints: [String] { lines.filter { $0.hasPrefix("\(name): ") } }
    var isRunning: Bool { process.isRunning }
    var processID: Int32 { process.processIdentifier }

    func signal(_ number: Int32) {
        if process.isRunning { Foundation.kill(process.processIdentifier, number) }
    }

    /// Ends the process at once and waits for it.
    func kill() {
        signal(SIGKILL)
        while process.isRunning { usleep(1000) }
    }

    /// Waits for the end of the process: its exit code, or minus the signal that ended it.
    func exitCode() throws -> Int32 {
        try eventually("\(name) \(arguments.joined(separator: " ")) to end") { !process.isRunning }
        return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    }

    /// Waits until something holds, by asking again and again.
    func eventually(_ what: String, _ condition: () throws -> Bool) throws {
        try Command.eventually(what, orTell: { self.standardError.suffix(2000) }, condition)
    }

    static func eventually(_ what: String, orTell context: () -> Substring = { "" }, _ condition: () throws -> Bool) throws {
        let deadline = ProcessInfo.processInfo.systemUptime + patience
        while try !condition() {
            guard ProcessInfo.processInfo.systemUptime < deadline else {
                throw Failure(description: "waited \(Int(patience)) s for \(what)\n\(context())")
            }
            usleep(3000)
        }
    }
}

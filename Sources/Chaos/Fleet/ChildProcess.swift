import Foundation
import Synchronization

/// What a drill of the catalogue meets that it did not expect: one line, and what the processes last said.
public struct ChaosFailure: Error, CustomStringConvertible, Sendable {
    public let description: String

    init(_ description: String) { self.description = description }
}

/// One of the package's commands as a child process, with its output in files.
final class ChildProcess {
    /// No wait takes longer; a machine that is busy with other things makes all of them slow.
    static let patience = 120.0

    /// Child processes that may still be there, for `killAll`.
    private static let living = Mutex<Set<Int32>>([])

    let name: String
    private let process = Process()
    private let output: String
    private let errors: String

    /// Starts a command.
    ///
    /// - Parameters:
    ///   - program: the executable's path.
    ///   - log: its output goes to the files `<log>.out` and `<log>.err`.
    ///   - environment: added to this process's; what is nil there is removed.
    init(_ program: String, _ arguments: [String], log: String, environment: [String: String?] = [:]) throws {
        name = (program as NSString).lastPathComponent
        output = log + ".out"
        errors = log + ".err"
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        var variables = ProcessInfo.processInfo.environment
        variables["MVQ_FAIL"] = nil
        for (name, value) in environment { variables[name] = value }
        process.environment = variables
        process.standardInput = FileHandle.nullDevice
        for file in [output, errors] {
            guard FileManager.default.createFile(atPath: file, contents: nil), let handle = FileHandle(forWritingAtPath: file) else {
                throw ChaosFailure("\(file): cannot be written")
            }
            if file == output { process.standardOutput = handle } else { process.standardError = handle }
        }
        do {
            try process.run()
        } catch {
            throw ChaosFailure("\(program): cannot be started (\(error)); build it: swift build -c release")
        }
        ChildProcess.living.withLock { _ = $0.insert(process.processIdentifier) }
    }

    deinit { kill() }

    var processID: Int32 { process.processIdentifier }
    var isRunning: Bool { process.isRunning }
    var standardOutput: String { (try? String(contentsOfFile: output, encoding: .utf8)) ?? "" }
    var standardError: String { (try? String(contentsOfFile: errors, encoding: .utf8)) ?? "" }
    /// Lines on standard error.
    var lines: [String] { standardError.split(separator: "\n").map(String.init) }
    /// The end of standard error, for a failure's text.
    var tail: String { "\(name): " + lines.suffix(6).joined(separator: "\n    ") }

    func says(_ parts: String...) -> Bool {
        lines.contains { line in parts.allSatisfy { line.contains($0) } }
    }

    func count(_ part: String) -> Int { lines.count { $0.contains(part) } }

    func signal(_ number: Int32) {
        if process.isRunning { Foundation.kill(process.processIdentifier, number) }
    }

    /// Ends the process at once and waits for it.
    func kill() {
        signal(SIGKILL)
        while process.isRunning { usleep(1000) }
        ChildProcess.living.withLock { _ = $0.remove(process.processIdentifier) }
    }

    /// Waits for the end of the process: its exit code, or minus the signal that ended it.
    func exitCode() throws -> Int32 {
        try waitFor("\(name) to end") { !process.isRunning }
        ChildProcess.living.withLock { _ = $0.remove(process.processIdentifier) }
        return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    }

    /// Waits for the end of the process, which must be this one.
    func expectExit(_ expected: Int32...) throws {
        let code = try exitCode()
        guard expected.contains(code) else {
            throw ChaosFailure("\(name) ended with \(code) instead of \(expected.map(String.init).joined(separator: " or "))\n  \(tail)")
        }
    }

    /// Waits until the process has said something, of parts in one line.
    func waitToSay(_ parts: String...) throws {
        func hasSaid() -> Bool { lines.contains { line in parts.allSatisfy { line.contains($0) } } }
        try waitFor("'\(parts.joined(separator: " … "))'") { hasSaid() || !isRunning }
        guard hasSaid() else { throw ChaosFailure("\(name) ended without saying '\(parts.joined(separator: " … "))'\n  \(tail)") }
    }

    /// Waits until the process has stopped itself (SIGSTOP).
    func waitToStop() throws {
        try waitFor("\(name) to stop itself") { state == "T" || !isRunning }
        guard isRunning else { throw ChaosFailure("\(name) ended instead of stopping\n  \(tail)") }
    }

    /// The kernel's letter for what the process does.
    private var state: Substring? {
        guard let text = try? String(contentsOfFile: "/proc/\(processID)/stat", encoding: .utf8), let end = text.lastIndex(of: ")") else { return nil }
        return text[end...].dropFirst(2).prefix(1)
    }

    /// Open file descriptors.
    var descriptorCount: Int { (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(processID)/fd").count) ?? 0 }

    /// Resident memory in KiB.
    var residentKiB: Int {
        let status = (try? String(contentsOfFile: "/proc/\(processID)/status", encoding: .utf8)) ?? ""
        return status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    }

    private func waitFor(_ what: String, _ condition: () throws -> Bool) throws {
        try wait(for: what, orTell: { self.tail }, condition)
    }

    /// Kills whatever was started and has not ended, e.g. because this process is asked to end.
    static func killAll() {
        for process in living.withLock({ $0 }) { Foundation.kill(process, SIGKILL) }
    }
}

/// Waits until something holds, by asking again and again; an error after `ChildProcess.patience` seconds.
func wait(for what: String, orTell context: () -> String = { "" }, _ condition: () throws -> Bool) throws {
    let deadline = ProcessInfo.processInfo.systemUptime + ChildProcess.patience
    while try !condition() {
        guard ProcessInfo.processInfo.systemUptime < deadline else {
            throw ChaosFailure("waited \(Int(ChildProcess.patience)) s for \(what)\n  \(context())")
        }
        usleep(3000)
    }
}

import Foundation

/// A folder of its own for one test, removed when the test lets go of it.
final class TemporaryFolder: Sendable {
    let path: String

    init() {
        var template = Array((URL(fileURLWithPath: NSTemporaryDirectory()).path + "/mvq-test-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { fatalError("no temporary folder: \(String(cString: strerror(errno)))") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    func file(_ name: String) -> String { path + "/" + name }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// The result of one finished child process.
struct ChildResult {
    let status: Int32
    let output: String
}

/// Runs a program to its end; output is stdout and stderr together.
func runChild(_ program: String, _ arguments: [String]) throws -> ChildResult {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return ChildResult(status: process.terminationStatus, output: String(decoding: data, as: UTF8.self))
}

/// What this machine offers besides the package: tests that need one of these are skipped visibly without it.
enum Machine {
    /// The Python to use: `MVQ_PYTHON`, or the first on the path.
    static let python = ProcessInfo.processInfo.environment["MVQ_PYTHON"] ?? "python3"
    static let hasH5py = (try? runChild("/usr/bin/env", [python, "-c", "import h5py, numpy"]).status) == 0

    static let hasH5dump = FileManager.default.isExecutableFile(atPath: "/usr/bin/h5dump")

    /// Runs a Python script with arguments.
    static func runPython(_ script: String, _ arguments: [String]) throws -> ChildResult {
        try runChild("/usr/bin/env", [python, "-c", script] + arguments)
    }

    /// The folder of golden values; nil when absent.
    static let fixtures: String? = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let path = ProcessInfo.processInfo.environment["MVQ_FIXTURES"]
            ?? root.appendingPathComponent("../shared/fixtures").standardizedFileURL.path
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }()
}

/// The bit patterns of numbers: equality that tells -0 from 0 and one NaN from another.
func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

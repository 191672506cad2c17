import Foundation

/// Another process of this program, for measurements that need more than one. It ends with its parent at the latest.
// Sendable: used by one thread.
final class BenchProcess: @unchecked Sendable {
    private let process = Process()
    private let output = Pipe()
    private let input = Pipe()

    /// Starts `mvq` with other arguments; its standard input ends when this process does.
    init(_ arguments: [String]) throws {
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = arguments
        process.standardOutput = output
        process.standardInput = input
        try process.run()
    }

    var processID: Int32 { process.processIdentifier }

    /// The next line that it prints, decoded from JSON; nil when it has ended.
    func next<Line: Decodable>(_ type: Line.Type) -> Line? {
        var line = Data()
        while let byte = try? output.fileHandleForReading.read(upToCount: 1), let first = byte.first {
            guard first == UInt8(ascii: "\n") else {
                line.append(first)
                continue
            }
            return try? JSONDecoder().decode(type, from: line)
        }
        return nil
    }

    /// Ends it as a crash would.
    func kill() {
        Glibc.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// Stops it: its connections stay, but it says nothing any more.
    func pause() { Glibc.kill(process.processIdentifier, SIGSTOP) }

    func wait() -> Int32 {
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// In a child: prints a line for the parent.
    static func report(_ line: some Encodable) {
        guard let data = try? JSONEncoder().encode(line) else { return }
        FileHandle.standardOutput.write(data + Data("\n".utf8))
    }

    /// In a child: ends this process when the parent has ended.
    static func endWithParent() {
        Thread {
            while FileHandle.standardInput.readData(ofLength: 1).count > 0 {}
            _exit(0)
        }.start()
    }
}

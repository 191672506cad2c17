import Foundation
import TensorCore

/// What this machine lets drills do; each answer is nil, or the reason why not.
enum Machine {
    /// Where a program of the system is; nil if it is not installed.
    static func path(of program: String) -> String? {
        ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/bin"].map { "\($0)/\(program)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// Runs a program to its end; what it said, if it did not succeed.
    @discardableResult
    static func run(_ program: String, _ arguments: String...) -> String? { run(program, arguments) }

    /// Runs a program to its end; what it said, if it did not succeed.
    static func run(_ program: String, _ arguments: [String]) -> String? {
        guard let path = path(of: program) else { return "\(program) is not installed" }
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = pipe
        do { try process.run() } catch { return "\(program) cannot be started: \(error)" }
        let said = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus != 0 else { return nil }
        let line = String(decoding: said, as: UTF8.self).split(separator: "\n").first.map(String.init) ?? "exit code \(process.terminationStatus)"
        return "\(program) \(arguments.first ?? ""): \(line)"
    }

    /// Whether a file system of its own can be mounted.
    static let cannotMount: String? = {
        guard geteuid() == 0 else { return "mounting a small file system needs root" }
        let folder = NSTemporaryDirectory() + "mvq-mount-\(getpid())"
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { rmdir(folder) }
        if let reason = run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder) { return reason }
        return run("umount", folder)
    }()

    /// Whether two network namespaces can be made.
    static let cannotMakeNetworks: String? = {
        guard geteuid() == 0 else { return "network namespaces need root" }
        let name = "mvq-try-\(getpid())"
        if let reason = run("ip", "netns", "add", name) { return reason }
        return run("ip", "netns", "del", name)
    }()

    /// Whether memory can be limited for a group of processes; version 1 of control groups.
    static let cannotLimitMemory: String? = {
        let folder = "/sys/fs/cgroup/memory/mvq-try-\(getpid())"
        guard FileManager.default.fileExists(atPath: "/sys/fs/cgroup/memory/memory.limit_in_bytes") else {
            return "no memory control group (version 1)"
        }
        guard mkdir(folder, 0o755) == 0 else { return "a memory control group cannot be made: \(String(cString: strerror(errno)))" }
        rmdir(folder)
        return nil
    }()

    /// Whether a shim for system calls can be built.
    static let cannotCompile: String? = run("cc", "--version") == nil ? nil : "no C compiler (cc) for the system-call shim"

    /// The CPU has several kernel families to choose from.
    static let hasOneFamily: String? = {
        #if arch(x86_64)
        NumericEnvironment.libraryHasFamilies ? nil : "the BLAS library has kernels of one family only"
        #else
        "the BLAS library has kernels of one family only"
        #endif
    }()
}

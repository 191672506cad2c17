import Foundation

/// What the operating system says about this machine. Nil or 0 where it does not say.
struct SystemFacts: Encodable {
    let cores: Int
    /// Processes that wanted to run, on average over the last minute.
    let loadAverage: Double
    let memoryBytes: Int
    let availableMemoryBytes: Int
    /// `always`, `madvise` or `never`.
    let hugePages: String?
    /// Files and sockets that a process may have open.
    let openFiles: Int

    init() {
        cores = ProcessInfo.processInfo.activeProcessorCount
        var load = 0.0
        loadAverage = getloadavg(&load, 1) == 1 ? load : 0
        let memory = SystemFacts.text("/proc/meminfo")
        memoryBytes = SystemFacts.kilobytes("MemTotal", in: memory)
        availableMemoryBytes = SystemFacts.kilobytes("MemAvailable", in: memory)
        // The one in brackets: `always [madvise] never`.
        hugePages = SystemFacts.text("/sys/kernel/mm/transparent_hugepage/enabled").split(separator: "[").dropFirst().first?
            .split(separator: "]").first.map(String.init)
        var limit = rlimit()
        openFiles = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 ? Int(clamping: limit.rlim_cur) : 0
    }

    private static func text(_ file: String) -> String { (try? String(contentsOfFile: file, encoding: .utf8)) ?? "" }

    private static func kilobytes(_ key: String, in text: String) -> Int {
        let line = text.split(separator: "\n").first { $0.hasPrefix(key + ":") }
        return (line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
    }
}

/// A folder that a run is to be written to.
struct RunFolder: Encodable {
    let path: String
    /// Bytes that this user may still write there.
    let freeBytes: Int
    let isWritable: Bool

    /// - Parameter path: the folder, or one that is to be made in an existing folder.
    init(path: String) {
        self.path = path
        var existing = URL(fileURLWithPath: path).standardizedFileURL.path
        while !FileManager.default.fileExists(atPath: existing), existing != "/" {
            existing = (existing as NSString).deletingLastPathComponent
        }
        var isFolder: ObjCBool = false
        isWritable =
            FileManager.default.fileExists(atPath: existing, isDirectory: &isFolder) && isFolder.boolValue && access(existing, W_OK | X_OK) == 0
        var system = statvfs()
        freeBytes = statvfs(existing, &system) == 0 ? Int(clamping: UInt64(system.f_bavail) * UInt64(system.f_frsize)) : 0
    }
}

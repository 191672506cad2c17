internal import Checksums
import Foundation

/// A system call on a file failed; `description` is one line: what, which file, why, the mend.
public struct FileError: Error, Equatable, CustomStringConvertible {
    /// What was tried, e.g. `"write"`.
    public let operation: String
    /// The file or folder.
    public let path: String
    /// The system's error number.
    public let code: Int32

    package init(operation: String, path: String, code: Int32) {
        self.operation = operation
        self.path = path
        self.code = code
    }

    /// The exit code of a process that ends for this reason: 74, an error of the disk.
    public var exitCode: Int32 { 74 }

    public var description: String {
        let mend = switch code {
        case ENOSPC, EDQUOT: "free some space there"
        case EACCES, EPERM, EROFS: "make it writable for this user, or choose another folder"
        case ENOENT: "check the path"
        default: "check the disk"
        }
        return "\(path): cannot \(operation): \(String(cString: strerror(code))); \(mend)"
    }
}

/// Durable file operations on POSIX paths. Each throws `FileError`.
public enum FileSystem {
    /// Replaces a small file so that a reader, or a machine that loses power, sees the old content or the new, nothing else.
    public static func replace(_ path: String, with text: String) throws {
        try replace(path, with: Array(text.utf8))
    }

    /// Replaces a small file by bytes, durably and in one instant; the temporary name is `.<name>.tmp` beside it.
    public static func replace(_ path: String, with bytes: [UInt8]) throws {
        let temporary = temporaryName(of: path)
        do {
            try writeDurably(bytes, to: temporary)
            try rename(temporary, to: path)
        } catch {
            unlink(temporary)
            throw error
        }
        try synchroniseFolder(of: path)
    }

    /// All bytes of a file.
    public static func read(_ path: String) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try scan(path) { bytes.append(contentsOf: $0) }
        return bytes
    }

    /// Creates a folder and those above it.
    public static func createFolder(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            let code = ((error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError)?.code ?? Int(EACCES)
            throw FileError(operation: "create the folder", path: path, code: Int32(truncatingIfNeeded: code))
        }
    }
}

extension FileSystem {
    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Names in a folder, sorted; empty when there is no such folder.
    static func names(in folder: String) throws -> [String] {
        guard exists(folder) else { return [] }
        guard let stream = opendir(folder) else { throw FileError(operation: "list", path: folder, code: errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Size in bytes.
    static func size(of path: String) throws -> Int {
        var status = stat()
        guard stat(path, &status) == 0 else { throw FileError(operation: "read", path: path, code: errno) }
        return Int(status.st_size)
    }

    /// Bytes that this user may still write on the disk of a folder.
    static func freeBytes(in folder: String) throws -> Int {
        var status = statvfs()
        guard statvfs(folder, &status) == 0 else { throw FileError(operation: "read", path: folder, code: errno) }
        return Int(clamping: UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize)).partialValue)
    }

    /// Passes a file's bytes on, a few MiB at a time.
    static func scan(_ path: String, _ body: (UnsafeRawBufferPointer) -> Void) throws {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(operation: "read", path: path, code: errno) }
        defer { close(descriptor) }
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 << 20, alignment: 64)
        defer { block.deallocate() }
        while true {
            let count = Glibc.read(descriptor, block.baseAddress, block.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw FileError(operation: "read", path: path, code: errno) }
            if count == 0 { return }
            body(UnsafeRawBufferPointer(rebasing: block[..<count]))
        }
    }

    /// SHA-256 of a file's bytes, hexadecimal.
    static func digest(of path: String) throws -> String {
        let hash = SHA256()
        try scan(path) { hash.update($0) }
        return hash.finish()
    }

    /// Writes a new file (an old one is replaced in place) and waits until the disk has it.
    static func writeDurably(_ bytes: [UInt8], to path: String) throws {
        let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw FileError(operation: "create", path: path, code: errno) }
        do {
            try write(bytes, to: descriptor, path)
            guard fsync(descriptor) == 0 else { throw FileError(operation: "write", path: path, code: errno) }
        } catch {
            close(descriptor)
            throw error
        }
        guard close(descriptor) == 0 else { throw FileError(operation: "write", path: path, code: errno) }
    }

    /// Writes all bytes at the descriptor's position.
    static func write(_ bytes: [UInt8], to descriptor: Int32, _ path: String) throws {
        try bytes.withUnsafeBytes { buffer in
            var rest = buffer[...]
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { throw FileError(operation: "write", path: path, code: count < 0 ? errno : EIO) }
                rest = rest.dropFirst(count)
            }
        }
    }

    /// Waits until the disk has a file's bytes; then drops them from memory, so that the next read comes from the disk.
    static func synchroniseFile(_ path: String) throws {
        let descriptor = Glibc.open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(operation: "write", path: path, code: errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw FileError(operation: "write", path: path, code: errno) }
        posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
    }

    /// Waits until the disk has the names of the folder that holds a file.
    static func synchroniseFolder(of path: String) throws {
        let folder = folder(of: path)
        let descriptor = Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(operation: "open", path: folder, code: errno) }
        defer { close(descriptor) }
        // Some network file systems cannot synchronise a folder and say EINVAL.
        guard fsync(descriptor) == 0 || errno == EINVAL else {
            throw FileError(operation: "write", path: folder, code: errno)
        }
    }

    static func rename(_ old: String, to new: String) throws {
        guard Glibc.rename(old, new) == 0 else { throw FileError(operation: "rename to \(new)", path: old, code: errno) }
    }

    /// Removes a file; one that is not there is fine.
    static func remove(_ path: String) throws {
        guard unlink(path) == 0 || errno == ENOENT else { throw FileError(operation: "remove", path: path, code: errno) }
    }

    static func folder(of path: String) -> String {
        let folder = (path as NSString).deletingLastPathComponent
        return folder.isEmpty ? "." : folder
    }

    /// How files that belong to a step begin: `step-00001200`.
    static func stepName(_ step: Int) -> String {
        let digits = String(step)
        return "step-" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits
    }

    static func name(of path: String) -> String { (path as NSString).lastPathComponent }

    static func temporaryName(of path: String) -> String { folder(of: path) + "/." + name(of: path) + ".tmp" }
}

import Foundation

/// A text file that only grows, line by line, e.g. a journal. A line is either completely in it or not at all: a last line
/// without an end (the machine stopped while writing it) is cut off when the file is opened.
///
/// Not `Sendable`: one thread at a time appends. Failures throw `FileError`.
public final class AppendOnlyFile {
    public let path: String
    /// The incomplete last line that was cut off on opening; nil when the file was whole.
    public let tornLine: String?
    private let descriptor: Int32
    private let isSynchronised: Bool
    private var length: Int

    /// Opens or creates the file.
    ///
    /// - Parameter isSynchronised: whether `append` waits until the disk has the line; without, a power cut may lose lines,
    ///   but only the newest.
    public init(path: String, isSynchronised: Bool = true) throws {
        let isNew = !FileSystem.exists(path)
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw FileError(operation: "open", path: path, code: errno) }
        do {
            let size = Int(lseek(descriptor, 0, SEEK_END))
            guard size >= 0 else { throw FileError(operation: "read", path: path, code: errno) }
            let (whole, torn) = try Self.lastLineEnd(descriptor, size: size, path)
            if whole < size {
                guard ftruncate(descriptor, whole) == 0, fsync(descriptor) == 0 else {
                    throw FileError(operation: "cut off the torn last line", path: path, code: errno)
                }
            }
            if isNew { try FileSystem.synchroniseFolder(of: path) }
            tornLine = torn.isEmpty ? nil : String(decoding: torn, as: UTF8.self)
            length = whole
        } catch {
            close(descriptor)
            throw error
        }
        self.path = path
        self.descriptor = descriptor
        self.isSynchronised = isSynchronised
    }

    deinit { close(descriptor) }

    /// Adds one line (without its line end). If it cannot be written completely, the file is left as it was.
    ///
    /// - Parameter halfway: called when half of the line is written; a crash there leaves a torn line.
    public func append(_ line: String, halfway: (() -> Void)? = nil) throws {
        precondition(!line.utf8.contains(UInt8(ascii: "\n")), "\(path): a line with a line end in it: \(line)")
        let bytes = Array(line.utf8) + [UInt8(ascii: "\n")]
        do {
            guard lseek(descriptor, off_t(length), SEEK_SET) >= 0 else {
                throw FileError(operation: "write", path: path, code: errno)
            }
            if let halfway {
                try FileSystem.write(Array(bytes[..<(bytes.count / 2)]), to: descriptor, path)
                halfway()
                try FileSystem.write(Array(bytes[(bytes.count / 2)...]), to: descriptor, path)
            } else {
                try FileSystem.write(bytes, to: descriptor, path)
            }
            if isSynchronised, fsync(descriptor) != 0 { throw FileError(operation: "write", path: path, code: errno) }
        } catch {
            // Should this fail too, the next opening cuts the torn line off.
            _ = ftruncate(descriptor, off_t(length))
            throw error
        }
        length += bytes.count
    }

    /// All lines, oldest first.
    public func lines() throws -> [String] {
        try lineBytes().map { String(decoding: $0, as: UTF8.self) }
    }

    /// Drops the first line that fails the test and all after it, e.g. metrics of steps that a resumed run does again.
    /// Returns how many lines went.
    @discardableResult
    public func truncate(keepingWhile keep: (String) -> Bool) throws -> Int {
        let lines = try lineBytes()
        let kept = lines.prefix { keep(String(decoding: $0, as: UTF8.self)) }
        guard kept.count < lines.count else { return 0 }
        let newLength = kept.reduce(0) { $0 + $1.count + 1 }
        guard ftruncate(descriptor, off_t(newLength)) == 0, fsync(descriptor) == 0 else {
            throw FileError(operation: "shorten", path: path, code: errno)
        }
        length = newLength
        return lines.count - kept.count
    }

    /// Lines as bytes: a text would join a carriage return with the line end after it.
    private func lineBytes() throws -> [ArraySlice<UInt8>] {
        try FileSystem.read(path).prefix(length).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .dropLast()
    }

    /// Where the last complete line ends, and the bytes after it; looks at the end of the file only.
    private static func lastLineEnd(_ descriptor: Int32, size: Int, _ path: String) throws -> (Int, [UInt8]) {
        var torn: [UInt8] = []
        var end = size
        while end > 0 {
            let start = max(0, end - 65_536)
            var block = [UInt8](repeating: 0, count: end - start)
            let count = pread(descriptor, &block, block.count, off_t(start))
            guard count == block.count else {
                throw FileError(operation: "read", path: path, code: count < 0 ? errno : EIO)
            }
            if let position = block.lastIndex(of: UInt8(ascii: "\n")) {
                return (start + position + 1, Array(block[(position + 1)...]) + torn)
            }
            torn = block + torn
            end = start
        }
        return (0, torn)
    }
}

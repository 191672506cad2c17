import Checkpoints
import Failpoints
import Foundation

/// The records of a file of tokens that is being made, `<file>.partial` beside it. Whatever ends the process, what was appended before is not
/// computed again.
///
/// The file is a text block that says of which tokens (the header's attributes), then a cell of fixed size for every record, in order:
/// `TokenRecord.bytes`, filled up with zeros. Records have checksums, so a torn end is found on opening and cut off.
final class TokenSpool {
    let path: String
    private let header: TokenFileHeader
    private let descriptor: Int32
    private let start: Int
    private let cellBytes: Int
    /// Records in the file.
    private(set) var count = 0

    private static let title = "tokens of mvq tokenize in the making, 1\n"

    /// Opens the spool of a file of tokens, or begins one.
    ///
    /// - Throws: `TokenFileError.otherJob` if it was begun with other settings, `.inUse` if another process is at it; `FileError`.
    init(of target: String, header: TokenFileHeader) throws {
        path = TokenSpool.path(of: target)
        self.header = header
        cellBytes = TokenRecord.byteCount(kept: header.mostKept, cells: header.cells)
        let block = try TokenSpool.title + header.json() + "\n"
        start = block.utf8.count
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw FileError(operation: "create", path: path, code: errno) }
        self.descriptor = descriptor
        do {
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { throw TokenFileError.inUse(file: path) }
            let size = Int(lseek(descriptor, 0, SEEK_END))
            let found = try read(at: 0, min(size, start))
            if found == Array(block.utf8) {
                count = try intactRecords(size)
                try cut(to: count)
            } else if size <= start, block.utf8.starts(with: found) {
                // A new file, or one that was left before its first line was whole.
                try write(Array(block.utf8), at: 0)
            } else {
                let line = try text(size).split(separator: "\n").dropFirst().first ?? ""
                throw TokenFileError.otherJob(file: path, difference: header.difference(fromJSON: String(line)))
            }
        } catch {
            close(descriptor)
            throw error
        }
    }

    deinit { close(descriptor) }

    /// Adds the next records.
    ///
    /// - Parameter isDurable: whether the disk shall have them before this returns.
    /// - Throws: `FileError`
    func append(_ records: [TokenRecord], isDurable: Bool = false) throws {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(records.count * cellBytes)
        for record in records {
            bytes += record.bytes
            bytes += Array(repeating: 0, count: cellBytes - record.bytes.count)
        }
        Failpoints.reach(.tokensAppend)
        if Failpoints.isPlanned(.tokensTorn) {
            try write(Array(bytes[..<(bytes.count / 2)]), at: start + count * cellBytes)
            Failpoints.reach(.tokensTorn)
        }
        try write(bytes, at: start + count * cellBytes)
        if isDurable, fsync(descriptor) != 0 { throw FileError(operation: "write", path: path, code: errno) }
        count += records.count
    }

    /// Drops the records from a number on. Throws `FileError`.
    func cut(to count: Int) throws {
        guard ftruncate(descriptor, off_t(start + count * cellBytes)) == 0 else { throw FileError(operation: "shorten", path: path, code: errno) }
        self.count = count
    }

    /// A record that was appended.
    ///
    /// - Throws: `TokenFileError.badRecord` if the disk has it no more as it was written; `FileError`.
    func record(_ id: Int) throws -> TokenRecord {
        precondition((0..<count).contains(id), "record \(id) of \(count)")
        let bytes = try read(at: start + id * cellBytes, cellBytes)
        do {
            return try TokenRecord(prefixOf: bytes[...])
        } catch {
            throw TokenFileError.badRecord(file: path, record: id, problem: error)
        }
    }

    /// Removes the file: its records have been published. Throws `FileError`.
    func remove() throws { try TokenSpool.remove(path) }

    /// Removes what is left of making a file that is there. Throws `FileError`.
    static func removeLeftOver(of target: String) throws { try remove(path(of: target)) }

    private static func path(of target: String) -> String { target + ".partial" }

    private static func remove(_ path: String) throws {
        guard unlink(path) == 0 || errno == ENOENT else { throw FileError(operation: "remove", path: path, code: errno) }
    }

    /// How many records from the first on are as they were written.
    private func intactRecords(_ size: Int) throws -> Int {
        let whole = max(0, size - start) / cellBytes
        for id in 0..<whole {
            let bytes = try read(at: start + id * cellBytes, cellBytes)
            guard (try? TokenRecord(prefixOf: bytes[...])) != nil else { return id }
        }
        return whole
    }

    /// The text block of a spool of another job.
    private func text(_ size: Int) throws -> String {
        String(decoding: try read(at: 0, min(size, 1 << 20)).prefix { $0 != 0 }, as: UTF8.self)
    }

    private func read(at offset: Int, _ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress.map { $0 + done }, count - done, off_t(offset + done)) }
            if got < 0 && errno == EINTR { continue }
            guard got > 0 else { throw FileError(operation: "read", path: path, code: got < 0 ? errno : EIO) }
            done += got
        }
        return bytes
    }

    private func write(_ bytes: [UInt8], at offset: Int) throws {
        var done = 0
        while done < bytes.count {
            let put = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset + done)) }
            if put < 0 && errno == EINTR { continue }
            guard put > 0 else {
                let code = put < 0 ? errno : EIO
                // What is not whole is cut off on the next opening, should this fail too.
                _ = ftruncate(descriptor, off_t(offset))
                throw FileError(operation: "write", path: path, code: code)
            }
            done += put
        }
    }
}

import Glibc

/// Reading and making the small text files of a key folder.
enum KeyFile {
    /// What may be wrong with who else can get at a file.
    enum Protection {
        /// A secret: nobody else may read or write it.
        case secret
        /// Says whom to trust: nobody else may write it.
        case trusted

        var forbidden: UInt32 { self == .secret ? 0o077 : 0o022 }
    }

    /// What tells one version of a file from another without reading it.
    struct Stamp: Equatable {
        let inode: UInt64
        let bytes: Int
        let seconds: Int
        let nanoseconds: Int
    }

    /// Larger files are no key files.
    private static let largest = 16 << 20

    /// The stamp of a file; nil when it is not there.
    static func stamp(_ path: String) -> Stamp? {
        var facts = stat()
        return stat(path, &facts) == 0 ? Stamp(facts) : nil
    }

    /// Reads a file, checking who else may get at it on the very file that is read.
    static func read(_ path: String, as protection: Protection, ifMissing mend: String) throws(KeyError) -> (text: String, stamp: Stamp) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { throw .missing(file: path, mend: mend) }
            throw .failed(operation: "open", path: path, code: errno)
        }
        defer { close(descriptor) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0 else { throw .failed(operation: "examine", path: path, code: errno) }
        let mode = facts.st_mode & 0o777
        if mode & protection.forbidden != 0 {
            throw protection == .secret ? .exposed(file: path, mode: mode) : .writable(file: path, mode: mode)
        }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &part, part.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw .failed(operation: "read", path: path, code: errno) }
            guard count > 0 else { return (String(decoding: bytes, as: UTF8.self), Stamp(facts)) }
            bytes += part[..<count]
            guard bytes.count <= largest else { throw .malformed(file: path, line: 1, reason: "is far too large for a file of keys") }
        }
    }

    /// Makes a file that is not there yet, with its permissions from the first instant, and syncs it.
    static func create(_ path: String, _ text: String, mode: mode_t) throws(KeyError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else {
            if errno == EEXIST { throw .exists(path: path) }
            throw .failed(operation: "create", path: path, code: errno)
        }
        defer { close(descriptor) }
        // The umask can only have taken permissions away.
        guard fchmod(descriptor, mode) == 0 else { throw .failed(operation: "protect", path: path, code: errno) }
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw .failed(operation: "write", path: path, code: errno) }
            rest = rest.dropFirst(count)
        }
        guard fsync(descriptor) == 0 else { throw .failed(operation: "write", path: path, code: errno) }
    }

    /// Replaces a file in one instant: a reader sees the old text or the new.
    static func replace(_ path: String, _ text: String, mode: mode_t) throws(KeyError) {
        let temporary = path + ".tmp"
        unlink(temporary)
        try create(temporary, text, mode: mode)
        guard rename(temporary, path) == 0 else { throw .failed(operation: "replace", path: path, code: errno) }
    }

    /// Makes a folder that is not there yet, for its owner alone.
    static func createFolder(_ path: String) throws(KeyError) {
        guard mkdir(path, 0o700) == 0 else {
            if errno == EEXIST { throw .exists(path: path) }
            throw .failed(operation: "create", path: path, code: errno)
        }
    }

    /// The lines that say something, with their numbers. Comments begin with `#`, which no key does: five characters of Z85 are 32 bits, and that is
    /// more than 32 bits hold.
    static func lines(of text: String) -> [(number: Int, line: String)] {
        text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated().compactMap { number, line in
            let isBlank = line.allSatisfy { $0 == " " || $0 == "\t" }
            return isBlank || line.hasPrefix("#") ? nil : (number + 1, String(line))
        }
    }
}

extension KeyFile.Stamp {
    init(_ facts: stat) {
        self.init(
            inode: UInt64(facts.st_ino), bytes: Int(facts.st_size), seconds: facts.st_mtim.tv_sec, nanoseconds: facts.st_mtim.tv_nsec)
    }
}
